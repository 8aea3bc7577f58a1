// How a file declares members of Tensor outside the class: methods and accessors in an object, whose `this` is the tensor.
// operators.ts installs them; the interface in tensor.ts takes their types.

import type { Tensor } from '../tensor.js';

export const membersOfTensor = <Members>(members: Members & ThisType<Tensor>): Members => members;
