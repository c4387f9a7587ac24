import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { fetchFromHub, parseHubLocation } from "../../src/checkpoint/hub.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251));
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");

interface Hub {
  /** Ranges that were asked for, "" for the whole file. */
  ranges: string[];
  stop(): Promise<void>;
}

interface HubOptions {
  /** Bytes after which the connection of the first download breaks. */
  breaksAfter?: number;
  content?: Buffer;
  files?: object[];
}

/** A hub on this machine with one repository, "owner/model". */
async function startHub({ breaksAfter, content = CONTENT, files }: HubOptions = {}): Promise<Hub> {
  const ranges: string[] = [];
  const siblings = files ?? [
    { rfilename: "config.json", size: 2 },
    { rfilename: "model.safetensors", size: CONTENT.length, lfs: { sha256: SHA256, size: CONTENT.length } },
  ];
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === "/api/models/owner/model/revision/main?blobs=true") {
      response.setHeader("content-type", "application/json").end(JSON.stringify({ sha: COMMIT, siblings }));
    } else if (request.url === `/owner/model/resolve/${COMMIT}/model.safetensors`) {
      ranges.push(request.headers.range ?? "");
      const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const part = content.subarray(begin);
      response.writeHead(begin > 0 ? 206 : 200, { "content-length": part.length });
      if (breaksAfter === undefined || ranges.length > 1) response.end(part);
      else response.write(part.subarray(0, breaksAfter), () => setTimeout(() => response.destroy(), 50));
    } else response.writeHead(404).end();
  };
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((done) => server.close(done));
  };
  onTestFinished(stop);
  vi.stubEnv("HF_ENDPOINT", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return { ranges, stop };
}

let cache: string;
beforeEach(() => {
  cache = temporaryDirectory();
  vi.stubEnv("MASK_JEPA_CACHE", cache);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

const PLACE = () => join(cache, "owner--model", COMMIT, "model.safetensors");

it("downloads once, with progress, and takes the copy the next time", async () => {
  const hub = await startHub();
  const reporter = recordedReporter();
  const path = await fetchFromHub("hf:owner/model", reporter);
  expect(path).toBe(PLACE());
  expect(readFileSync(path).equals(CONTENT)).toBe(true);
  expect(reporter.tasks).toMatchObject([{ what: "Downloading owner/model (MB)", total: 1, done: 1, ended: true }]);
  expect(await fetchFromHub("hf:owner/model")).toBe(path);
  expect(hub.ranges).toEqual([""]);
});

it("goes on where a lost connection stopped", async () => {
  const hub = await startHub({ breaksAfter: 100_000 });
  await expect(fetchFromHub("hf:owner/model")).rejects.toThrow(/what is downloaded already is kept and resumed/);
  expect(existsSync(PLACE())).toBe(false);
  const path = await fetchFromHub("hf:owner/model");
  expect(readFileSync(path).equals(CONTENT)).toBe(true);
  expect(hub.ranges).toEqual(["", "bytes=100000-"]);
});

it("refuses bytes with another checksum, and starts anew after them", async () => {
  const damaged = Buffer.from(CONTENT);
  damaged[1000] ^= 1;
  const hub = await startHub({ content: damaged });
  await expect(fetchFromHub("hf:owner/model")).rejects.toThrow(/expected the checksum .* The download was damaged/);
  expect(existsSync(PLACE())).toBe(false);
  await expect(fetchFromHub("hf:owner/model")).rejects.toThrow(/the checksum/);
  expect(hub.ranges).toEqual(["", ""]);
});

it("a part of a download that is longer than the file is not trusted", async () => {
  await startHub({ breaksAfter: 10 });
  await expect(fetchFromHub("hf:owner/model")).rejects.toThrow();
  writeFileSync(`${PLACE()}.part`, Buffer.alloc(CONTENT.length + 5));
  expect(readFileSync(await fetchFromHub("hf:owner/model")).equals(CONTENT)).toBe(true);
});

it("without network: says so, and takes an earlier copy", async () => {
  await (await startHub()).stop();
  await expect(fetchFromHub("hf:owner/model")).rejects.toThrow(
    /no network, or none to 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/,
  );
  const hub = await startHub();
  const path = await fetchFromHub("hf:owner/model");
  await hub.stop();
  const reporter = recordedReporter();
  expect(await fetchFromHub("hf:owner/model", reporter)).toBe(path);
  expect(reporter.lines.join()).toMatch(/^Warning: .*the copy of an earlier download is used/);
});

it("unknown repositories and files are named", async () => {
  await startHub();
  await expect(fetchFromHub("hf:owner/other")).rejects.toThrow(/nothing of that name \(HTTP 404\)/);
  await expect(fetchFromHub("hf:owner/model:weights.pth")).rejects.toThrow(
    /expected weights\.pth, found model\.safetensors/,
  );
});

it("names that a hub answers never lead out of the cache", async () => {
  await startHub({ files: [{ rfilename: "../../evil.safetensors", size: 1 }] });
  await expect(fetchFromHub("hf:owner/model")).rejects.toThrow(/no weights/);
  await expect(fetchFromHub("hf:owner/model:../../evil.safetensors")).rejects.toThrow(/another form/);
});

it("locations have an owner, a name, and perhaps a revision and a file", () => {
  expect(parseHubLocation("hf:a/b@v1.0:x/y.bin")).toEqual({ repository: "a/b", revision: "v1.0", file: "x/y.bin" });
  for (const text of ["hf:a", "hf:a/b/c", "hf:../b", "hf:a/b@../x", "hf:a/b:/etc/passwd", "hf:"]) {
    expect(() => parseHubLocation(text)).toThrow(/OWNER\/NAME/);
  }
});
