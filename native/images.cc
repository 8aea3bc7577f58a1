// Two operators on batches of images that LibTorch has only as general indexing, which looks at every pixel's index: a
// window of each image at a place of its own, and the mirror image of some. Here they copy rows. uint8 on the CPU; other
// dtypes and devices take the general way (lib/data/augment.ts).
//
//   isotorch::window(images [N, C, H, W], tops [N], lefts [N], padding, height, width) -> [N, C, height, width]
//   isotorch::mirror(images [N, C, H, W], chosen [N]) -> [N, C, H, W]
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>

namespace isotorch {
namespace {

void CheckImages(const at::Tensor& images) {
  TORCH_CHECK(images.dim() == 4 && images.scalar_type() == at::kByte,
              "expected uint8 images of shape [N, channels, height, width], received ", images.scalar_type(), " ",
              images.sizes());
}

at::Tensor PerImage(const at::Tensor& values, const at::Tensor& images, const char* name) {
  TORCH_CHECK(values.dim() == 1 && values.size(0) == images.size(0) && values.scalar_type() == at::kLong, "expected ",
              name, " of dtype int64 and shape [", images.size(0), "], received ", values.scalar_type(), " ",
              values.sizes());
  return values.contiguous();
}

// Images that are worth a thread.
int64_t Grain(int64_t bytes_each) { return std::max<int64_t>(1, 65536 / std::max<int64_t>(1, bytes_each)); }

at::Tensor Window(const at::Tensor& given, const at::Tensor& given_tops, const at::Tensor& given_lefts, int64_t padding,
                  int64_t height, int64_t width) {
  CheckImages(given);
  at::Tensor images = given.contiguous();
  at::Tensor tops = PerImage(given_tops, images, "tops"), lefts = PerImage(given_lefts, images, "lefts");
  int64_t channels = images.size(1), rows = images.size(2), columns = images.size(3);
  int64_t down = rows + 2 * padding - height, right = columns + 2 * padding - width;
  TORCH_CHECK(padding >= 0 && height >= 1 && width >= 1 && down >= 0 && right >= 0, "expected images of at least ",
              height, "×", width, " with their padding of ", padding, ", received ", rows, "×", columns);
  at::Tensor result = at::empty({images.size(0), channels, height, width}, images.options());
  const auto* top = tops.const_data_ptr<int64_t>();
  const auto* left = lefts.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < images.size(0); i++) {
    TORCH_CHECK_INDEX(top[i] >= 0 && top[i] <= down && left[i] >= 0 && left[i] <= right, "expected windows from 0 to ",
                      down, " and from 0 to ", right, ", received ", top[i], " and ", left[i], " for image ", i);
  }
  const auto* from = images.const_data_ptr<uint8_t>();
  auto* to = result.mutable_data_ptr<uint8_t>();
  at::parallel_for(0, images.size(0), Grain(channels * height * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      // Columns of the window that lie in the image.
      int64_t first = std::clamp<int64_t>(padding - left[i], 0, width);
      int64_t last = std::clamp<int64_t>(padding + columns - left[i], first, width);
      for (int64_t row = 0; row < channels * height; row++) {
        uint8_t* line = to + (i * channels * height + row) * width;
        int64_t y = top[i] + row % height - padding;
        if (y < 0 || y >= rows) {
          std::memset(line, 0, width);
          continue;
        }
        const uint8_t* source = from + ((i * channels + row / height) * rows + y) * columns + left[i] - padding;
        std::memset(line, 0, first);
        std::memcpy(line + first, source + first, last - first);
        std::memset(line + last, 0, width - last);
      }
    }
  });
  return result;
}

at::Tensor Mirror(const at::Tensor& given, const at::Tensor& given_chosen) {
  CheckImages(given);
  at::Tensor images = given.contiguous();
  at::Tensor chosen = PerImage(given_chosen, images, "chosen");
  at::Tensor result = at::empty(images.sizes(), images.options());
  int64_t width = images.size(3), lines = images.size(1) * images.size(2);
  const auto* which = chosen.const_data_ptr<int64_t>();
  const auto* from = images.const_data_ptr<uint8_t>();
  auto* to = result.mutable_data_ptr<uint8_t>();
  at::parallel_for(0, images.size(0), Grain(lines * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const uint8_t* source = from + i * lines * width;
      uint8_t* target = to + i * lines * width;
      if (which[i] == 0) {
        std::memcpy(target, source, lines * width);
        continue;
      }
      for (int64_t line = 0; line < lines; line++)
        std::reverse_copy(source + line * width, source + (line + 1) * width, target + line * width);
    }
  });
  return result;
}

}  // namespace

TORCH_LIBRARY(isotorch, library) {
  library.def("window(Tensor images, Tensor tops, Tensor lefts, int padding, int height, int width) -> Tensor");
  library.def("mirror(Tensor images, Tensor chosen) -> Tensor");
}

TORCH_LIBRARY_IMPL(isotorch, CPU, library) {
  library.impl("window", &Window);
  library.impl("mirror", &Mirror);
}

}  // namespace isotorch
