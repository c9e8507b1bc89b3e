// Runs before a program in each virtual machine: makes the language
// deterministic, takes away what a workflow has no use for, and joins the
// program to the host. It keeps what it needs of the language in constants, so
// that a program that changes the language changes it for itself only.
//
// Its value is the function that the host drives the machine with.
(function () {
  "use strict";

  const hostCall = globalThis.__margay_call;
  const hostLog = globalThis.__margay_log;
  const hostEnd = globalThis.__margay_end;
  const hostStop = globalThis.__margay_stop;
  delete globalThis.__margay_call;
  delete globalThis.__margay_log;
  delete globalThis.__margay_end;
  delete globalThis.__margay_stop;

  const { stringify, parse } = JSON;
  const { apply, construct, getPrototypeOf } = Reflect;
  const { defineProperty, create, freeze } = Object;
  const { floor, max } = Math;
  const { isFinite } = Number;
  const NativeDate = Date;
  const NativePromise = Promise;
  const NativeError = Error;
  const NativeInternalError = InternalError;
  const NativeString = String;
  const then = Promise.prototype.then;
  const slice = String.prototype.slice;
  const regexpExec = RegExp.prototype.exec;

  /** The same kind of property as the one it replaces. */
  const replace = (object, name, value) =>
    defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });

  // ---- Nothing that shows other threads or the garbage collector.

  for (const name of ["SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry"]) {
    delete globalThis[name];
  }

  // ---- Nothing that lets a built-in function run for hours.
  //
  // The host can stop the program between its own instructions, and a built-in
  // function when it allocates. Built-in functions that walk along something
  // huge and empty do neither, so they are kept from it. Proxies and the
  // helpers of iterators, which could dress up such a thing, are not there.

  delete globalThis.Proxy;
  const iteratorMethods = Iterator.prototype;
  for (const name of Object.getOwnPropertyNames(iteratorMethods)) {
    if (name !== "constructor") delete iteratorMethods[name];
  }
  delete globalThis.Iterator;
  for (const name of ["union", "intersection", "difference", "symmetricDifference", "isSubsetOf", "isSupersetOf", "isDisjointFrom"]) {
    delete Set.prototype[name];
  }

  const longest = 5_000_000; // elements; memory ends before that
  const { isArray } = Array;
  const tooLong = () => new RangeError(`An array here has at most ${longest} elements.`);
  const checked = (list) => {
    if (list.length > longest) throw tooLong();
    return list;
  };
  // A list that is no array is copied by instructions of our own.
  const asArray = (list) => {
    if (isArray(list)) return checked(list);
    if (list === undefined || list === null) throw new TypeError("cannot convert to object");
    const from = typeof list === "string" ? new NativeString(list) : list;
    const length = max(floor(+from.length) || 0, 0);
    if (length > longest) throw tooLong();
    const copy = [];
    copy.length = length;
    for (let i = 0; i < length; i++) if (i in from) defineProperty(copy, i, { value: from[i], writable: true, enumerable: true, configurable: true });
    return copy;
  };
  const rename = (name, length, method) => {
    defineProperty(method, "name", { value: name, configurable: true });
    defineProperty(method, "length", { value: length, configurable: true });
    return method;
  };
  const arrayMethods = Array.prototype;
  // A built-in function that calls another one is not stopped in between; with
  // a function of ours between the two it is.
  const ours = (callback) => (typeof callback === "function" ? function (...values) { return apply(callback, this, values); } : callback);
  const wrapCallback = (methods, name, receiver) => {
    const native = methods[name];
    replace(methods, name, rename(name, native.length, {
      method(callback, ...values) { return apply(native, receiver(this), [ours(callback), ...values]); },
    }.method));
  };
  const wrapArray = (name, receiver) => {
    const native = arrayMethods[name];
    replace(arrayMethods, name, rename(name, native.length, { method(...values) { return apply(native, receiver(this), values); } }.method));
  };
  const itself = (list) => list;
  const callers = ["every", "some", "forEach", "map", "filter", "reduce", "reduceRight", "find", "findIndex", "findLast", "findLastIndex"];
  const typedMethods = getPrototypeOf(Uint8Array.prototype);
  for (const name of callers) {
    wrapCallback(arrayMethods, name, asArray);
    wrapCallback(typedMethods, name, itself);
  }
  wrapCallback(typedMethods, "sort", itself);
  wrapCallback(typedMethods, "toSorted", itself);
  wrapCallback(Map.prototype, "forEach", itself);
  wrapCallback(Set.prototype, "forEach", itself);
  for (const name of ["at", "with", "join", "toLocaleString", "slice", "toReversed", "toSpliced"]) wrapArray(name, asArray);
  // To compare one long text with many takes as long as all of them.
  for (const name of ["indexOf", "lastIndexOf", "includes"]) {
    const native = arrayMethods[name];
    const backwards = name === "lastIndexOf";
    replace(arrayMethods, name, rename(name, 1, {
      method(what, ...values) {
        const list = asArray(this);
        if (typeof what !== "string" || what.length < 1000) return apply(native, list, [what, ...values]);
        const length = list.length;
        let from = values.length > 0 ? floor(+values[0]) || 0 : backwards ? length - 1 : 0;
        if (from < 0) from = backwards ? from + length : max(from + length, 0);
        if (backwards && from >= length) from = length - 1;
        for (let i = from; backwards ? i >= 0 : i < length; backwards ? i-- : i++) {
          if (list[i] === what) return name === "includes" ? true : i;
        }
        return name === "includes" ? false : -1;
      },
    }.method));
  }
  for (const name of ["fill", "reverse", "shift", "unshift", "splice", "copyWithin", "push", "pop"]) {
    wrapArray(name, (list) => {
      if (!isArray(list)) throw new TypeError(`${name} is for arrays`);
      return checked(list);
    });
  }
  const push = (list, value) => { defineProperty(list, list.length, { value, writable: true, enumerable: true, configurable: true }); };
  const byText = (x, y) => {
    const a = `${x}`, b = `${y}`;
    return a < b ? -1 : a > b ? 1 : 0;
  };
  for (const name of ["sort", "toSorted"]) {
    const native = arrayMethods[name];
    replace(arrayMethods, name, rename(name, 1, {
      method(compare) {
        if (!isArray(this)) throw new TypeError(`${name} is for arrays`);
        checked(this);
        // A comparison of our own gives the host its chance.
        if (compare !== undefined && typeof compare !== "function") throw new TypeError("not a function");
        return apply(native, this, [compare === undefined ? byText : (x, y) => compare(x, y)]);
      },
    }.method));
  }
  replace(arrayMethods, "concat", rename("concat", 1, {
    method(...values) {
      const all = [];
      const add = (value) => {
        if (!isArray(value)) return push(all, value);
        checked(value);
        const length = value.length;
        for (let i = 0; i < length; i++) {
          if (i in value) push(all, value[i]);
          else all.length++;
        }
      };
      add(this);
      for (let i = 0; i < values.length; i++) add(values[i]);
      return all;
    },
  }.method));
  const flatten = (list, depth, into) => {
    const length = checked(list).length;
    for (let i = 0; i < length; i++) {
      if (!(i in list)) continue;
      const value = list[i];
      if (depth > 0 && isArray(value)) flatten(value, depth - 1, into);
      else push(into, value);
    }
    return into;
  };
  replace(arrayMethods, "flat", rename("flat", 0, {
    method(depth) { return flatten(asArray(this), depth === undefined ? 1 : floor(+depth) || 0, []); },
  }.method));
  replace(arrayMethods, "flatMap", rename("flatMap", 1, {
    method(each, self) {
      const list = asArray(this);
      const mapped = [];
      for (let i = 0; i < list.length; i++) if (i in list) push(mapped, apply(each, self, [list[i], i, list]));
      return flatten(mapped, 1, []);
    },
  }.method));

  replace(Array, "from", rename("from", 1, {
    method(items, each, self) {
      if (each !== undefined && typeof each !== "function") throw new TypeError("not a function");
      const own = this === Array || typeof this !== "function";
      const list = own ? [] : new this();
      let i = 0;
      const add = own
        ? (value) => push(list, each === undefined ? value : apply(each, self, [value, i]))
        : (value) => { list[i] = each === undefined ? value : apply(each, self, [value, i]); };
      if (items[Symbol.iterator] !== undefined && items[Symbol.iterator] !== null) {
        for (const value of items) { add(value); i++; }
      } else {
        const length = max(floor(+items.length) || 0, 0);
        for (; i < length; i++) add(items[i]);
      }
      list.length = i;
      return list;
    },
  }.method));

  // The constructors walk along an iterator by themselves; here we do.
  const wrapCollection = (name, add) => {
    const Native = globalThis[name];
    const Collection = { [name]: function (values) {
      if (new.target === undefined) throw new TypeError(`${name} is made with new`);
      const collection = construct(Native, [], new.target);
      if (values !== undefined && values !== null) for (const value of values) add(collection, value);
      return collection;
    } }[name];
    defineProperty(Collection, "prototype", { value: Native.prototype, writable: false });
    defineProperty(Collection, "length", { value: 0, configurable: true });
    defineProperty(Collection, Symbol.species, { get() { return this; }, configurable: true });
    if (Native.groupBy) replace(Collection, "groupBy", Native.groupBy);
    replace(Native.prototype, "constructor", Collection);
    replace(globalThis, name, Collection);
  };
  const entry = (value) => {
    if (typeof value !== "object" || value === null) throw new TypeError("not an object");
    return [value[0], value[1]];
  };
  wrapCollection("Set", (set, value) => { set.add(value); });
  wrapCollection("WeakSet", (set, value) => { set.add(value); });
  wrapCollection("Map", (map, value) => { const [k, v] = entry(value); map.set(k, v); });
  wrapCollection("WeakMap", (map, value) => { const [k, v] = entry(value); map.set(k, v); });

  // Looking for a long text in a longer one takes the product of their lengths.
  const stringMethods = String.prototype;
  for (const name of ["indexOf", "lastIndexOf", "includes", "split", "replace", "replaceAll"]) {
    const native = stringMethods[name];
    replace(stringMethods, name, rename(name, native.length, {
      method(what, ...values) {
        if (this === undefined || this === null) throw new TypeError("cannot convert to object");
        if ((typeof what === "object" && what !== null) || what === undefined) return apply(native, this, [what, ...values]);
        const text = `${this}`;
        what = NativeString(what);
        if (text.length * what.length > 2e9) throw new RangeError("The texts are too long to look for one in the other.");
        return apply(native, text, [what, ...values]);
      },
    }.method));
  }

  replace(JSON, "stringify", function stringify_(value, replacer, space) {
    return stringify(value, isArray(replacer) ? checked(replacer) : replacer, space);
  });
  defineProperty(JSON.stringify, "name", { value: "stringify", configurable: true });

  // ---- No code from text: what was reviewed is what runs.

  delete globalThis.eval;
  const kinds = [function () {}, async function () {}, function* () {}, async function* () {}];
  for (let i = 0; i < kinds.length; i++) {
    const prototype = getPrototypeOf(kinds[i]);
    const refuse = function Function() {
      throw new TypeError("A workflow cannot make code from text.");
    };
    defineProperty(refuse, "prototype", { value: prototype, writable: false });
    replace(prototype, "constructor", refuse);
    if (i === 0) replace(globalThis, "Function", refuse);
  }

  // ---- Time stands still between the answers of the host.

  let started = 0;
  let now = 0;

  const zone = /(?:\b(?:z|gmt|utc?)|\d\s*z|[+-]\d\d:?\d\d)\s*(?:\([^)]*\))?\s*$/i;
  const isoWithTime = /^\s*[+-]?\d{4,6}-\d\d(?:-\d\d)?T\d\d:\d\d/;
  const isoDate = /^\s*[+-]?\d{4,6}(?:-\d\d(?:-\d\d)?)?\s*$/;
  const matches = (pattern, text) => apply(regexpExec, pattern, [text]) !== null;
  const nativeParse = NativeDate.parse;

  // The engine reads a time without a zone in the zone of the process; here
  // that zone is UTC.
  const parseDate = (text) => {
    if (matches(isoDate, text)) return nativeParse(text);
    if (matches(isoWithTime, text)) {
      const time = apply(slice, text, [apply(String.prototype.indexOf, text, ["T"])]);
      return nativeParse(matches(/(?:z|[+-]\d\d:?\d\d)\s*$/i, time) ? text : text + "Z");
    }
    return nativeParse(matches(zone, text) ? text : text + " UTC");
  };

  const dateMethods = NativeDate.prototype;
  const getTime = dateMethods.getTime;
  const toPrimitive = dateMethods[Symbol.toPrimitive];
  const isDate = (value) => {
    try {
      apply(getTime, value, []);
      return true;
    } catch {
      return false;
    }
  };

  const ClockDate = function Date(...parts) {
    if (new.target === undefined) return apply(dateMethods.toString, new NativeDate(now), []);
    let time;
    if (parts.length === 0) {
      time = now;
    } else if (parts.length === 1) {
      let value = parts[0];
      if (typeof value === "object" && value !== null) {
        if (isDate(value)) {
          value = apply(getTime, value, []);
        } else {
          const convert = value[Symbol.toPrimitive];
          value = convert === undefined ? (typeof value.valueOf() === "object" ? `${value}` : value.valueOf()) : apply(convert, value, ["default"]);
        }
      }
      time = typeof value === "string" ? parseDate(value) : +value;
    } else {
      time = apply(NativeDate.UTC, undefined, parts);
    }
    return construct(NativeDate, [time], new.target);
  };
  defineProperty(ClockDate, "prototype", { value: dateMethods, writable: false });
  defineProperty(ClockDate, "length", { value: 7, configurable: true });
  replace(ClockDate, "now", function () { return now; });
  replace(ClockDate, "parse", function parse(text) { return parseDate(`${text}`); });
  replace(ClockDate, "UTC", NativeDate.UTC);
  replace(dateMethods, "constructor", ClockDate);
  replace(globalThis, "Date", ClockDate);

  for (const part of ["Date", "Day", "FullYear", "Hours", "Milliseconds", "Minutes", "Month", "Seconds"]) {
    replace(dateMethods, "get" + part, dateMethods["getUTC" + part]);
    if (part !== "Day") replace(dateMethods, "set" + part, dateMethods["setUTC" + part]);
  }
  delete dateMethods.getYear;
  delete dateMethods.setYear;
  replace(dateMethods, "getTimezoneOffset", function getTimezoneOffset() { return apply(getTime, this, []) * 0; });

  const utc = (name) => {
    const method = dateMethods["getUTC" + name];
    return (date) => apply(method, date, []);
  };
  const [year, month, day, weekday, hours, minutes, seconds] =
    ["FullYear", "Month", "Date", "Day", "Hours", "Minutes", "Seconds"].map(utc);
  const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const two = (n) => (n < 10 ? "0" + n : "" + n);
  const four = (n) => (n < 0 ? "-" : "") + apply(slice, "000000" + (n < 0 ? -n : n), [(n < 0 ? -n : n) > 9999 ? -6 : -4]);
  const formats = {
    toDateString: (d) => `${weekdays[weekday(d)]} ${months[month(d)]} ${two(day(d))} ${four(year(d))}`,
    toTimeString: (d) => `${two(hours(d))}:${two(minutes(d))}:${two(seconds(d))} GMT+0000 (UTC)`,
    toString: (d) => `${formats.toDateString(d)} ${formats.toTimeString(d)}`,
    toLocaleDateString: (d) => `${two(month(d) + 1)}/${two(day(d))}/${four(year(d))}`,
    toLocaleTimeString: (d) => `${two(hours(d) % 12 || 12)}:${two(minutes(d))}:${two(seconds(d))} ${hours(d) < 12 ? "AM" : "PM"}`,
    toLocaleString: (d) => `${formats.toLocaleDateString(d)}, ${formats.toLocaleTimeString(d)}`,
  };
  for (const name of Object.keys(formats)) {
    const format = formats[name];
    replace(dateMethods, name, { [name]() { return apply(getTime, this, []) === apply(getTime, this, []) ? format(this) : "Invalid Date"; } }[name]);
  }
  // The engine's own looks methods up by name, which the program may change.
  if (typeof toPrimitive === "function") defineProperty(dateMethods, Symbol.toPrimitive, { value: toPrimitive, configurable: true });

  replace(globalThis, "performance", freeze({ timeOrigin: 0, now: () => now - started }));

  // ---- Chance repeats itself: sfc32, from the seed of the run.

  let a = 0, b = 0, c = 0, counter = 1;
  const word = () => {
    const t = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return t >>> 0;
  };
  replace(Math, "random", function random() { return ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992; });

  // ---- The log.

  let maxData = 0;
  let maxOutput = 0;

  const shown = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof NativeError) return value.stack ? `${value}\n${value.stack}` : `${value}`;
    if (typeof value === "object" && value !== null) {
      try {
        const text = stringify(value);
        if (text !== undefined) return text;
      } catch (problem) {
        if (problem === null || problem instanceof NativeInternalError) throw problem;
      }
    }
    return NativeString(value);
  };
  const log = (level, text) => {
    level = `${level}`;
    text = shown(text);
    if (level.length + text.length > maxOutput) hostStop("output");
    hostLog(level, text);
  };
  const logger = (level) => (...values) => {
    let line = "";
    for (let i = 0; i < values.length; i++) line += (i ? " " : "") + shown(values[i]);
    log(level, line);
  };
  replace(globalThis, "console", freeze({
    debug: logger("debug"), log: logger("info"), info: logger("info"), warn: logger("warn"), error: logger("error"),
  }));

  // ---- Calls of the host.

  const waiting = create(null); // by number: what to do with the answer
  const hostErrors = new WeakMap(); // error -> { call, message } as they were delivered
  const hostErrorOf = (error) => apply(WeakMap_get, hostErrors, [error]);
  const WeakMap_get = WeakMap.prototype.get;
  const WeakMap_set = WeakMap.prototype.set;

  const call = (name, ...values) =>
    new NativePromise((resolve, reject) => {
      name = `${name}`;
      const json = stringify(values);
      if (name.length + json.length > maxData) hostStop("data");
      // The error is made here, where its stack says who called.
      const place = new NativeError();
      const number = hostCall(name, json);
      waiting[number] = { resolve, reject, place };
    });

  const answer = (number, failed, json) => {
    const { resolve, reject, place } = waiting[number];
    delete waiting[number];
    if (!failed) {
      let value;
      try {
        value = parse(json);
      } catch (problem) {
        reject(problem);
        return;
      }
      resolve(value);
      return;
    }
    const told = parse(json);
    replace(place, "message", told.message);
    for (const name of ["code", "detail", "hint"]) {
      if (told[name] !== undefined) defineProperty(place, name, { value: told[name], writable: true, enumerable: true, configurable: true });
    }
    apply(WeakMap_set, hostErrors, [place, { call: number, message: told.message }]);
    reject(place);
  };

  // ---- The end of the run.

  const most = 65536; // characters kept of what an exception says
  const limited = (text) => (text.length > most ? apply(slice, text, [0, most]) : text);
  const told = (value) => (typeof value === "string" ? limited(value) : "");

  const describe = (error) => {
    const said = create(null);
    try {
      if ((typeof error !== "object" && typeof error !== "function") || error === null) {
        said.message = limited(NativeString(error));
        return stringify(said);
      }
      said.stack = told(error.stack);
      said.name = told(error.name);
      said.message = error.message === undefined ? limited(`${error}`) : limited(`${error.message}`);
      said.code = told(error.code);
      said.hint = told(error.hint);
      said.detail = told(error.detail);
      said.engine = error instanceof NativeInternalError;
      const host = hostErrorOf(error);
      if (host !== undefined) {
        said.call = host.call;
        said.unchanged = error.message === host.message;
      }
    } catch {
      if (said.message === undefined) said.message = "The workflow threw something that cannot be read.";
    }
    return stringify(said);
  };

  const fail = (error) => {
    let said = '{"message":"out of memory","engine":true}';
    try {
      said = describe(error);
    } catch {
      // Not even that could be kept.
    }
    hostEnd(false, said);
  };

  const end = (result) => {
    if (result.length > maxOutput) hostStop("output");
    hostEnd(true, result);
  };

  const run = async (load, argument) => {
    const main = load(freeze({ call, log })).default;
    if (typeof main !== "function") throw new TypeError("The default export of the workflow is not a function.");
    const result = stringify(await main(parse(argument)));
    return result === undefined ? "null" : result;
  };

  const start = (load, config, argument) => {
    const given = parse(config);
    started = now = given.clock;
    [a, b, c] = given.seed;
    for (let i = 0; i < 12; i++) word();
    maxData = given.data;
    maxOutput = given.output;
    apply(then, run(load, argument), [end, fail]);
  };

  return (load) => (what, ...values) => {
    switch (what) {
      case "start":
        start(load, values[0], values[1]);
        return;
      case "answer":
        now = max(now, values[3]);
        answer(values[0], values[1], values[2]);
        return;
      case "room":
        new ArrayBuffer(values[0]);
    }
  };
})()
