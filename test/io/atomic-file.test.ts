import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import {
  freeSpace,
  removeDirectoryAtomic,
  removeStaleTemporaries,
  requireSpace,
  writeDirectoryAtomic,
  writeFileAtomic,
} from "../../src/io/atomic-file.js";
import { compiledModule, compileSources, script } from "../support/child.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const systemError = (code: string) => Object.assign(new Error(code), { code });

/** The number of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ["--version"]).pid;
}

describe("writeFileAtomic", () => {
  it("writes text, bytes and pieces, and replaces what was there", async () => {
    const path = join(temporaryDirectory(), "a.txt");
    await writeFileAtomic(path, "über");
    expect(readFileSync(path, "utf8")).toBe("über");
    await writeFileAtomic(path, Uint8Array.of(1, 2));
    expect([...readFileSync(path)]).toEqual([1, 2]);
    await writeFileAtomic(path, async (write) => {
      for (let i = 0; i < 3; i++) await write(new Uint8Array(new SharedArrayBuffer(2)).fill(i));
      expect([...readFileSync(path)]).toEqual([1, 2]); // the new file is not there before it is whole
    });
    expect([...readFileSync(path)]).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it("shows the complete file to whoever inspects it; what is refused leaves the earlier one", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "a.txt");
    await writeFileAtomic(path, "earlier");
    const seen: string[] = [];
    const refused = writeFileAtomic(path, "wrong", async (temporary) => {
      seen.push(readFileSync(temporary, "utf8"), readFileSync(path, "utf8"));
      throw new RangeError("refused");
    });
    await expect(refused).rejects.toThrow("refused");
    expect(seen).toEqual(["wrong", "earlier"]);
    expect(readdirSync(directory)).toEqual(["a.txt"]);
    await writeFileAtomic(path, "right", async () => {});
    expect(readFileSync(path, "utf8")).toBe("right");
  });

  it.each([
    ["ENOSPC", /no space left on the disk \(ENOSPC\)/],
    ["EDQUOT", /quota/],
    ["EIO", /error of the disk/],
    ["EROFS", /read-only/],
    ["EWEIRD", /a system error \(EWEIRD\)/],
  ])(
    "%s in the middle: the earlier file stays, nothing else is left, the error names the file",
    async (code, reason) => {
      const directory = temporaryDirectory();
      const path = join(directory, "a.txt");
      await writeFileAtomic(path, "earlier");
      const failing = writeFileAtomic(path, async (write) => {
        await write(new Uint8Array(10));
        throw systemError(code);
      });
      await expect(failing).rejects.toThrow(reason);
      await expect(failing).rejects.toMatchObject({ name: "InputError", problem: { where: path } });
      expect(readFileSync(path, "utf8")).toBe("earlier");
      expect(readdirSync(directory)).toEqual(["a.txt"]);
    },
  );

  it("a folder in the way, a missing folder, a fault of the caller", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "a"));
    await expect(writeFileAtomic(join(directory, "a"), "x")).rejects.toThrow(InputError);
    await expect(writeFileAtomic(join(directory, "none", "a"), "x")).rejects.toThrow(/ENOENT/);
    const bug = new TypeError("bug");
    await expect(writeFileAtomic(join(directory, "b"), () => Promise.reject(bug))).rejects.toBe(bug);
    expect(readdirSync(directory)).toEqual(["a"]);
  });

  it.skipIf(process.getuid?.() === 0)(
    "a folder without write permission (not as root, who has every permission)",
    async () => {
      const directory = temporaryDirectory();
      chmodSync(directory, 0o500);
      await expect(writeFileAtomic(join(directory, "a"), "x")).rejects.toThrow(/permission denied/);
      chmodSync(directory, 0o700);
    },
  );
});

describe("directories", () => {
  it("appear whole, replace an earlier one, and vanish whole", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "step");
    await writeDirectoryAtomic(path, (d) => writeFileAtomic(join(d, "old"), "1"));
    await writeDirectoryAtomic(path, async (d) => {
      await writeFileAtomic(join(d, "new"), "2");
      expect(readdirSync(path)).toEqual(["old"]);
    });
    expect(readdirSync(path)).toEqual(["new"]);
    await expect(writeDirectoryAtomic(path, () => Promise.reject(systemError("ENOSPC")))).rejects.toThrow(/no space/);
    expect(readdirSync(path)).toEqual(["new"]);
    await removeDirectoryAtomic(path);
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe("temporaries", () => {
  it("of dead processes go; of live ones, of a write in progress, and other hidden files stay", async () => {
    const directory = temporaryDirectory();
    const dead = deadPid();
    mkdirSync(join(directory, `.step.${dead}-0.tmp`, "inner"), { recursive: true });
    const names = [
      `.a.${dead}-3.tmp`,
      `.a.${process.ppid}-0.tmp`,
      `.a.${process.pid}-999999.tmp`,
      ".a.tmp",
      `a.${dead}-0.tmp`,
    ];
    for (const name of names) writeFileSync(join(directory, name), "");
    await writeFileAtomic(join(directory, "b"), async () => {
      const removed = await removeStaleTemporaries(directory);
      expect(removed.sort()).toEqual([names[2], names[0], `.step.${dead}-0.tmp`].sort());
    });
    expect(readdirSync(directory).sort()).toEqual([names[1], names[3], names[4], "b"].sort());
  });
});

describe.skipIf(process.platform === "win32")("a signal while a file is written", () => {
  const writing = (listener: string) => `
    const { writeFileAtomic } = await import(${compiledModule("io/atomic-file.js")});
    ${listener}
    await writeFileAtomic(process.argv[1], "half", async () => {
      console.log("here");
      await new Promise((done) => setTimeout(done, 300));
    });
    console.log("written");
    process.exit(0);`;

  async function interrupted(path: string, listener = "") {
    const child = spawn(process.execPath, [...script(writing(listener)), path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (part) => {
      if (out === "") child.kill("SIGINT");
      out += part;
    });
    const signal = await new Promise((done) => child.on("close", (_, by) => done(by)));
    return { signal, out };
  }

  it("ends the process and leaves nothing, unless somebody listens", async () => {
    compileSources();
    const dir = temporaryDirectory();
    const path = join(dir, "file");
    expect(await interrupted(path)).toEqual({ signal: "SIGINT", out: "here\n" });
    expect(readdirSync(dir)).toEqual([]);
    expect(await interrupted(path, 'process.on("SIGINT", () => {});')).toEqual({
      signal: null,
      out: "here\nwritten\n",
    });
    expect(readdirSync(dir)).toEqual(["file"]);
  });
});

describe("free space", () => {
  it("is that of the nearest existing parent; too little is an error that names both amounts", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "not", "yet");
    expect(await freeSpace(path)).toBeGreaterThan(0);
    await requireSpace(path, 1);
    await expect(requireSpace(path, 2 ** 60)).rejects.toThrow(/expected 1152921504607 MB of free space, found \d+ MB/);
    expect(existsSync(join(directory, "not"))).toBe(false);
  });
});
