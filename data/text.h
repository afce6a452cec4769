// Bytes of a text file as training sequences: sample i is `context` + 1 bytes from i * context on, so that the sequences tile
// the file and each byte but the first is predicted once an epoch. The tail of the file is for validation.
#pragma once

#include <string>

#include "base/file_system.h"
#include "options/field.h"
#include "trainer/registry.h"

namespace holdfast {

/// `data: {name: text, options: ...}`
struct TextOptions {
  std::string file;
  std::int64_t context = 256;
  double validation_fraction = 0.05;
  void describe(FieldVisitor&);
};

/// Batches of one field, int64 [n, context + 1]. Throws DataError when the file is too short.
DataSources open_text(const Path& file, const TextOptions& options);

}  // namespace holdfast
