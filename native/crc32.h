// CRC-32 as zip archives have it (ISO 3309, reflected polynomial 0xEDB88320), as fast as memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace isotorch {

// Goes on from `crc`, 0 at first.
uint32_t Crc32(uint32_t crc, const void* data, size_t length);

}  // namespace isotorch
