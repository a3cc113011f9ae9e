// MoveNet on crops: node movenet.mjs MODELS CROPS.bin > answers.json (called by movenet.py).
// CROPS.bin holds crops of 256 x 256 x 3 bytes, one after the other; the answers are 17 rows (y, x, score) a crop.
import fs from "node:fs";
import process from "node:process";
import { load } from "./tfjs.mjs";

const [models, crops] = process.argv.slice(2);
const { tf, network } = await load(models, "movenet-thunder");
const bytes = fs.readFileSync(crops);
const length = 256 * 256 * 3;
const answers = [];
for (let start = 0; start < bytes.length; start += length) {
  const input = tf.tensor(Int32Array.from(bytes.subarray(start, start + length)), [1, 256, 256, 3], "int32");
  answers.push((await network.predict(input).array())[0][0]);
}
process.stdout.write(JSON.stringify(answers));
