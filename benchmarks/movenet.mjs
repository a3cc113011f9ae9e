// MoveNet on crops: node movenet.mjs MODELS CROPS.bin > answers.json (called by movenet.py).
// CROPS.bin holds crops of 256 x 256 x 3 bytes, one after the other; the answers are 17 rows (y, x, score) a crop.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const [models, crops] = process.argv.slice(2);
const require = createRequire(path.join(process.cwd(), "here.js")); // packages of the folder that it is run in
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
wasm.setWasmPaths(path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + path.sep);
await tf.setBackend("wasm");

const description = JSON.parse(fs.readFileSync(path.join(models, "movenet-thunder.json")));
const weights = fs.readFileSync(path.join(models, "movenet-thunder.bin"));
const network = await tf.loadGraphModel(
  tf.io.fromMemory({
    modelTopology: description.modelTopology,
    weightSpecs: description.weightsManifest.flatMap((group) => group.weights),
    weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
  }),
);
const bytes = fs.readFileSync(crops);
const length = 256 * 256 * 3;
const answers = [];
for (let start = 0; start < bytes.length; start += length) {
  const input = tf.tensor(Int32Array.from(bytes.subarray(start, start + length)), [1, 256, 256, 3], "int32");
  answers.push((await network.predict(input).array())[0][0]);
}
process.stdout.write(JSON.stringify(answers));
