// The least that a model's own module needs: a chain of layers, in JavaScript.

import { dense, dropout, flatten, sequential } from "sltrain/layers";

export default ({ inputShape, outputs }) =>
  sequential(inputShape, [flatten(), dense(64, "relu"), dropout(0.2), dense(outputs, "softmax")]);
