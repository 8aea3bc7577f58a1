// See cuda_runtime.h.
#pragma once

using cudaStream_t = struct Stream*;
