import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { fetchFromHub } from "../../src/checkpoint/hub.js";
import { parseHubLocation } from "../../src/checkpoint/hub-location.js";
import { locateWeights } from "../../src/checkpoint/weights-location.js";
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
  /** Further files by name. */
  small?: Record<string, string>;
}

/** A hub on this machine with one repository, "owner/model". */
async function startHub({ breaksAfter, content = CONTENT, files, small = {} }: HubOptions = {}): Promise<Hub> {
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
    } else {
      const name = request.url?.split(`/owner/model/resolve/${COMMIT}/`)[1] ?? "";
      const text = { "config.json": "{}", ...small }[name];
      response.writeHead(text === undefined ? 404 : 200).end(text);
    }
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
  vi.stubEnv("HF_HOME", cache); // nothing of this machine's own
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
  expect(reporter.lines).toEqual([`Downloading model.safetensors of owner/model, 1 MB, to ${dirname(PLACE())}`]);
  expect(readFileSync(join(dirname(path), "config.json"), "utf8")).toBe("{}");
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

it("weights in several files come with all that their index names", async () => {
  const index = JSON.stringify({
    weight_map: { "a.weight": "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
  });
  const small = {
    "model.safetensors.index.json": index,
    "model-00001-of-00002.safetensors": "1",
    "model-00002-of-00002.safetensors": "22",
  };
  const listed = Object.entries(small).map(([rfilename, text]) => ({ rfilename, size: text.length }));
  await startHub({ files: listed, small });
  const reporter = recordedReporter();
  const path = await fetchFromHub("hf:owner/model", reporter);
  expect(path).toBe(join(dirname(PLACE()), "model.safetensors.index.json"));
  expect(reporter.lines.join()).toContain("Downloading 2 files of owner/model, 1 MB, to");
  expect(readFileSync(join(dirname(path), "model-00002-of-00002.safetensors"), "utf8")).toBe("22");
  await startHub({ files: listed.slice(0, 2), small });
  vi.stubEnv("MASK_JEPA_CACHE", temporaryDirectory());
  await expect(fetchFromHub("hf:owner/model")).rejects.toThrow(
    /found model-00002-of-00002\.safetensors, which it does not/,
  );
});

/** What Hugging Face's own tools leave of "owner/model" in a cache; gives the path of the weights. */
function theirCache(home: string): string {
  const repository = join(home, "hub", "models--owner--model");
  const snapshot = join(repository, "snapshots", COMMIT);
  mkdirSync(join(repository, "refs"), { recursive: true });
  mkdirSync(snapshot, { recursive: true });
  writeFileSync(join(repository, "refs", "main"), COMMIT);
  writeFileSync(join(snapshot, "model.safetensors"), CONTENT);
  writeFileSync(join(snapshot, "config.json"), "{}");
  return join(snapshot, "model.safetensors");
}

it("what Hugging Face's own tools have downloaded serves, with and without network", async () => {
  const home = temporaryDirectory();
  const theirs = theirCache(home);
  vi.stubEnv("HF_HOME", home);
  const hub = await startHub();
  expect(await fetchFromHub("hf:owner/model")).toBe(theirs);
  expect(hub.ranges).toEqual([]);
  await hub.stop();
  expect(await fetchFromHub("hf:owner/model")).toBe(theirs);
  expect(await fetchFromHub(`hf:owner/model@${COMMIT}`)).toBe(theirs);
  await expect(fetchFromHub("hf:owner/model@other")).rejects.toThrow(/no network/);
  expect(await locateWeights(join(home, "hub", "models--owner--model"))).toBe(theirs);
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  expect(await fetchFromHub("hf:owner/model")).toBe(theirs);
  await expect(fetchFromHub("hf:owner/other")).rejects.toThrow(/found none, and HF_HUB_OFFLINE is set/);
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
