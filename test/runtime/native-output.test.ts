import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compiledModule, compileSources, LAUNCHER, node, script } from "../support/child.js";
import { writeImages } from "../support/image-folder.js";
import { SMALLEST } from "../support/tiny-pretraining.js";

const work = mkdtempSync(join(tmpdir(), "native-output-"));
beforeAll(compileSources);
afterAll(() => rmSync(work, { recursive: true }));

describe.skipIf(process.platform === "win32")("what native code prints", () => {
  /**
   * Prints from JavaScript before and after, and natively within the capture: unbuffered, and through C's own buffer.
   */
  const printing = (then: string) => `
    const { captureOutput } = await import(${compiledModule("runtime/native-output.js")});
    const { loadLibrary } = await import(${compiledModule("runtime/foreign.js")});
    const libc = loadLibrary(null);
    const write = libc.func("intptr_t write(int descriptor, const char *text, size_t length)");
    const puts = libc.func("int puts(const char *text)");
    console.log("before");
    let printed;
    try {
      printed = captureOutput(() => {
        write(2, "driver\\n", 7);
        puts("loader");
        ${then}
      });
    } catch ({ message }) {
      console.log(message);
    }
    console.log("after", JSON.stringify(printed));
    console.error("error");`;

  test("is caught, and everything is as before afterwards", async () => {
    const printed = process.platform === "linux" ? "driver\\nloader\\n" : "";
    const out = `before\nafter "${printed}"\n`;
    expect(await node(script(printing("")))).toEqual({ code: 0, out, err: "error\n" });
  });

  test("also when the job throws", async () => {
    const out = "before\nfault\nafter undefined\n";
    expect(await node(script(printing(`throw new Error("fault");`)))).toEqual({ code: 0, out, err: "error\n" });
  });
});

test.runIf(process.platform === "linux")(
  "a GPU that does not start is one line, whatever its libraries have to say",
  async () => {
    const images = join(work, "images");
    await writeImages(images, 2);
    const sets = SMALLEST.flatMap((set) => ["--set", set]);
    const places = ["--images", images, "--out", join(work, "run")];
    const nowhere = join(work, "no-driver.json");
    const env = { ...process.env, VK_DRIVER_FILES: nowhere, VK_ICD_FILENAMES: nowhere };
    const args = [LAUNCHER, "pretrain", "--preset", "tiny", "--device", "webgpu", ...places, ...sets];
    const { code, out, err } = await node(args, { env });
    expect(err).toMatch(
      /^error: --device webgpu: expected a working device, found ".*(Vulkan|vkCreateInstance).*"\. .*\n$/,
    );
    expect(out).toMatch(/^Training on 2 images of [^\n]*\n$/);
    expect(code).toBe(1);
  },
);
