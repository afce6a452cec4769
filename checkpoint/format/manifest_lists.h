// The long part of a manifest: tens of thousands of tensors and their pieces, which a restore has to read before it can read anything else.
#pragma once

#include <string>

#include "checkpoint/format/manifest.h"

namespace holdfast {

/// Fills `tensors`, `shards` and `transformed` from the text of the manifest. Returns whether all else stands before them, but for the
/// checksum. Throws std::exception naming what is wrong: no JSON, a key that is missing or there twice, a value of another type.
bool read_lists(const std::string& text, Manifest& manifest);

}  // namespace holdfast
