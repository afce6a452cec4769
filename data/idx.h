// Images and labels in IDX files, the format of MNIST and its relatives (http://yann.lecun.com/exdb/mnist): big-endian magic
// 0x0803 (images: count, rows, columns) or 0x0801 (labels: count), then bytes.
#pragma once

#include <string>

#include "base/file_system.h"
#include "options/field.h"
#include "trainer/registry.h"

namespace holdfast {

/// `data: {name: idx, options: ...}`
struct IdxOptions {
  std::string train_images, train_labels;
  std::string test_images, test_labels;  // both empty: no validation
  double mean = 0.2860;                  // of the pixels, in [0, 1]; the defaults are Fashion-MNIST's
  double standard_deviation = 0.3530;
  bool flatten = false;  // [n, rows * columns] instead of [n, 1, rows, columns]
  void describe(FieldVisitor&);
};

/// Batches of images float32 (normalised) and labels int64. Files are mapped and checked: magic, sizes, counts. Throws
/// DataError.
std::shared_ptr<const DataSource> open_idx(const Path& images, const Path& labels, const IdxOptions& options);

}  // namespace holdfast
