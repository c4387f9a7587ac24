import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/checkpoint/formats/byte-source.js";
import { PickleInput } from "../../src/checkpoint/formats/pickle-input.js";
import { PickleDict, PickleList, PickleTuple } from "../../src/checkpoint/formats/pickle-values.js";
import { readPickle } from "../../src/checkpoint/formats/read-pickle.js";
import { resolveTorch } from "../../src/checkpoint/formats/torch-tensors.js";
import { openWeights } from "../../src/checkpoint/formats/weights-file.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const load = (text: string): unknown =>
  readPickle(new PickleInput(memorySource("x.pkl", Buffer.from(text, "latin1"))), { resolve: resolveTorch });

/** Pickled values as JavaScript's own. */
function plain(value: unknown): unknown {
  if (value instanceof PickleDict)
    return Object.fromEntries([...value.entries].map(([key, item]) => [key, plain(item)]));
  if (value instanceof PickleList || value instanceof PickleTuple) return value.items.map(plain);
  return value;
}

describe("plain data", () => {
  // Each as Python 3.11 pickles {"a": [1, -2, 2**40, 1.5, None, True], "b": ("x", "é")} in that protocol.
  it.each([
    ["0", "(dp0\nVa\np1\n(lp2\nI1\naI-2\naL1099511627776L\naF1.5\naNaI01\nasVb\np3\n(Vx\np4\nV\xe9\np5\ntp6\ns."],
    [
      "2",
      "\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01G?\xf8\x00\x00\x00\x00\x00\x00N\x88eX\x01\x00\x00\x00bq\x03X\x01\x00\x00\x00xq\x04X\x02\x00\x00\x00\xc3\xa9q\x05\x86q\x06u.",
    ],
    [
      "5",
      "\x80\x05\x951\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01J\xfe\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01G?\xf8\x00\x00\x00\x00\x00\x00N\x88e\x8c\x01b\x94\x8c\x01x\x94\x8c\x02\xc3\xa9\x94\x86\x94u.",
    ],
  ])("of protocol %s", (_, bytes) => {
    expect(plain(load(bytes))).toEqual({ a: [1, -2, 2 ** 40, 1.5, null, true], b: ["x", "é"] });
  });

  it("a key __proto__ stays a key", () => {
    const dict = load("}(U\x09__proto__}U\x01xK\x01su.") as PickleDict;
    expect([...dict.entries.keys()]).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it("strings of Python 2 with escapes", () => {
    expect(load("S'a\\x41\\n\\'b'\n.")).toBe("aA\n'b");
  });
});

describe("what could run code or hold anything is refused by its name", () => {
  it.each([
    ["os.system", "cos\nsystem\n(S'x'\ntR."],
    ["builtins.eval", "cbuiltins\neval\n(S'1'\ntR."],
    ["builtins.getattr", "\x80\x04\x8c\x08builtins\x8c\x07getattr\x93."],
    ["__builtin__.exec", "(S'x'\ni__builtin__\nexec\n."],
    ["torch.load", "ctorch\nload\n."],
    ["numpy.core.multiarray._reconstruct.__globals__", "cnumpy.core.multiarray\n_reconstruct.__globals__\n."],
    ["collections.OrderedDict.__init__", "ccollections\nOrderedDict.__init__\n."],
  ])("%s", (name, bytes) => {
    expect(() => load(bytes)).toThrow(`one that names "${name}"`);
  });

  it.each([
    ["an unknown persistent id", "X\x01\x00\x00\x00aQ."],
    ["an entry of Python's extension registry", "\x82\x01."],
    ["a buffer outside of the pickle", "\x97."],
    ["a call of a value that is no function", "N)R."],
    ['a call of "numpy.ndarray"', "cnumpy\nndarray\n)R."],
    ["a state for a value that takes none", "NNb."],
    ["a reference to 7, which was not stored", "h\x07."],
    ["too few values", "a."],
    ["no mark", "t."],
    ["a key without a value", "}(Nu."],
    ["a protocol newer than 5", "\x80\x06."],
    ["an integer of 16777216 bytes", "\x8b\x00\x00\x00\x01."],
    ["no whole number", "I1e3\n."],
  ])("%s", (reason, bytes) => {
    expect(() => load(bytes)).toThrow(reason);
  });
});

describe("few bytes cannot take much memory or time", () => {
  it.each([
    ["a string longer than the file", "\x8d\xff\xff\xff\xff\xff\xff\x00\x00a"],
    ["bytes longer than the file", "B\xff\xff\xff\xffa"],
    ["dictionaries without end", "}".repeat(1_100_000)],
    ["marks without end", "(".repeat(1_100_000)],
    ["a value again and again", `N${"2".repeat(1_100_000)}`],
    [
      "one list copied into many dictionaries",
      `(${"NN\x86".repeat(10_000)}lp0\n${"0ccollections\nOrderedDict\n(g0\ntR".repeat(200)}`,
    ],
  ])("%s", (_, bytes) => {
    expect(() => load(bytes)).toThrow(/expected a whole/);
  });

  it("lists that hold each other 2^60 times are walked once", async () => {
    const path = join(temporaryDirectory(), "laughs.pkl");
    writeFileSync(path, Buffer.from(`\x80\x02]q\x00${"](h\x00h\x00eq\x00".repeat(60)}.`, "latin1"));
    await expect(openWeights(path)).rejects.toThrow("a file without tensors");
  });

  it("nesting of any depth needs no stack", async () => {
    const path = join(temporaryDirectory(), "deep.pkl");
    const depth = 50_000;
    writeFileSync(path, Buffer.from(`${"]".repeat(depth)}${"a".repeat(depth - 1)}.`, "latin1"));
    await expect(openWeights(path)).rejects.toThrow("a file without tensors");
  });

  it("an array that claims to be larger than its bytes", async () => {
    const path = join(temporaryDirectory(), "a.pkl");
    const array = "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R";
    const state = "(K\x01J\xff\xff\xff\x7f\x85cnumpy\ndtype\nU\x02f4\x85R\x89U\x04abcdtb";
    writeFileSync(path, Buffer.from(`\x80\x02}U\x01w${array}${state}s.`, "latin1"));
    await expect(openWeights(path)).rejects.toThrow(/"w" with 8589934588 bytes over a storage of 4/);
  });
});
