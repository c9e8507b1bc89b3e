// Package script turns the TypeScript of a workflow into something that can be
// run, and runs it in a sandbox.
//
// It is the only package that knows esbuild and the JavaScript engine. It is
// not the engine that makes work durable and it knows no Tableau: it asks the
// [Input.Host] it is given for each effect, and reports what came of the script.
// Package workflow talks to it, nothing else does.
//
// # From text to program
//
// [Compile] strips the types and bundles the workflow with the modules it may
// import, all of them given as text: nothing is read from disk. The bundle is
// compiled to bytecode once; a [Program] is immutable and may run many times at
// once. [Program.Hash] names its sources, so a run can record what it ran and
// load exactly that again.
//
// # One run
//
// [Program.Run] makes a virtual machine of its own for each run and frees it at
// the end. The script sees the language (ES2023) and a console, and nothing of
// the machine: no files, no network, no environment, no timers, no eval.
//
// Our modules reach the host through the module "margay:host", which the
// workflow's own text may not import:
//
//	import { call } from "margay:host"
//	export const whoami = () => call("tableau.users.get", "me") // a Promise
//
// Only JSON crosses. A call is put in a queue; when the script can go no
// further, the calls are made one after another in the order they were issued,
// and each answer is given to the script before the next call is made. Calls
// issued together, as in Promise.all, therefore run in order and not side by
// side: the sequence of calls depends on the answers alone, so a replay with the
// recorded answers numbers them as the first run did.
//
// For the same reason Date stands still while the script computes and moves
// only to the time recorded with an answer ([Answer.At]), Math.random starts
// from [Input.Seed], the time zone is UTC, and whatever shows the garbage
// collector or other threads (WeakRef, FinalizationRegistry, SharedArrayBuffer,
// Atomics) is not there.
//
// When the workflow returns while calls are still in the queue (it forgot an
// await, or a Promise.all failed early), those calls are made before the run
// ends, and one that fails fails the run: an effect that somebody asked for is
// neither lost nor silently unsuccessful. When the workflow throws, the calls
// that were not yet made are dropped.
//
// # Limits
//
// Each run has [Limits]. Running into one ends the run with a [*RunError] that
// names it. Time, calls, data and output cannot be caught by the script at all.
// Memory and stack show as errors in the script, as in every engine, and the
// script may handle them, within its time.
//
// Nothing can be taken from a machine that is inside a built-in function of the
// engine, so time is enforced in steps. The engine is told to look at its
// interrupt flag at the next occasion; a built-in function that looks at none is
// then refused memory, so that its next allocation fails; and built-in functions
// that neither look nor allocate are kept by the prelude (prelude.js) from
// everything that would make them slow. Should a script find another way, its
// run ends after three more seconds without its machine, which frees itself
// when it is done. When you add to the prelude, add the attack to
// TestHostileScriptsAreStopped.
//
// The bundler has no limits at all, so [Compile] refuses texts that would cost
// it much (check.go, enum.go).
//
// # What is not there
//
// Beside what was named: Proxy, eval and Function with text, the helpers of
// iterators, Intl, import(). Methods of arrays that change the array are for
// arrays only, and an array may have 5,000,000 elements.
//
// # Errors
//
// Positions are those of the TypeScript. The sentence of a [HostError] that the
// script did not catch becomes the message of the [*RunError] byte for byte: the
// layers below choose their sentences for people, and this one does not touch
// them.
package script
