package script

import (
	"reflect"
	"sync/atomic"
	"unsafe"

	"modernc.org/libquickjs"
	"modernc.org/quickjs"
)

// hurry returns a function, for any goroutine while vm is open, that makes the
// engine look at its interrupt flag at the next occasion.
//
// By itself the engine looks at every ten-thousandth occasion, such as the end
// of a loop or the call of a function. When each time around the loop is a
// built-in function that takes a tenth of a second, that is too late by a
// quarter of an hour. The engine counts the occasions in a word that its Go
// package does not reach, so this reads the address of the word's owner from
// the unexported field cContext. Should that field go away, hurry does nothing
// and TestASlowBuiltinIsStopped fails.
func hurry(vm *quickjs.VM) func() {
	field := reflect.ValueOf(vm).Elem().FieldByName("cContext")
	if field.Kind() != reflect.Uintptr || field.Uint() == 0 {
		return func() {}
	}
	address := uintptr(field.Uint())
	context := *(**libquickjs.TJSContext)(unsafe.Pointer(&address)) //nolint:gosec // memory of the engine, not of Go
	return func() { atomic.StoreInt32(&context.Finterrupt_counter, 1) }
}
