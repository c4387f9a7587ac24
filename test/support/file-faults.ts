/**
 * @file Faults of the file system where a test wants them. A test file mocks both modules with it:
 * `vi.mock("node:fs", async (original) => withFaults(await original()))`, and the same for `node:fs/promises`.
 */

/** A use of the file system, e.g. "mkdir /tmp/x/run". */
export interface Call {
  readonly name: string;
  readonly path: string;
}

interface Plan {
  /** The code of the fault that a call meets; undefined if none. */
  faultOf: (call: Call) => string | undefined;
}

/** What the calls of this process meet. */
export const plan: Plan = { faultOf: () => undefined };

type Callable = (...args: never[]) => unknown;

function faultOf(name: string, path: unknown): Error | undefined {
  const text = String(path);
  const code = plan.faultOf({ name, path: text });
  if (code === undefined) return undefined;
  return Object.assign(new Error(`${code}: injected, ${name} '${text}'`), { code, path: text, syscall: name });
}

const HANDLE = ["read", "write", "sync", "stat", "truncate", "readFile", "writeFile"];

/** A file handle whose calls meet faults too. */
function guardedHandle<T extends object>(handle: T, path: unknown): T {
  return new Proxy(handle, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      return (...args: never[]) => {
        const fault = HANDLE.includes(String(key)) ? faultOf(`handle.${String(key)}`, path) : undefined;
        return fault ? Promise.reject(fault) : (value as Callable).apply(target, args);
      };
    },
  });
}

function guarded(name: string, call: Callable): Callable {
  const later = !name.endsWith("Sync");
  return (...args) => {
    // A descriptor has no path: its writes are known by their number.
    const fault = faultOf(name, args[0]);
    if (fault && later) return Promise.reject(fault);
    if (fault) throw fault;
    const result = call(...args);
    if (name !== "open") return result;
    return (result as Promise<object>).then((handle) => guardedHandle(handle, args[0]));
  };
}

const NAMES =
  /^(open|mkdir|readdir|readFile|writeFile|rename|rm|rmdir|stat|lstat|statfs|realpath|copyFile|unlink|truncate|write|read)(Sync)?$/;

/** The module with every call by which files are used guarded. */
export function withFaults<T extends object>(module: T): T {
  const entries = Object.entries(module).map(([name, value]) => {
    const isSync = name.endsWith("Sync");
    const promises = "FileHandle" in module || !("readFileSync" in module);
    if (typeof value !== "function" || !NAMES.test(name) || !(isSync || promises)) return [name, value];
    return [name, guarded(name, value as Callable)];
  });
  return Object.fromEntries(entries) as T;
}
