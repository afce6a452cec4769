// Numbers from numbers: a source of data of one's own, the datasets `inputs` and `targets` of an HDF5 file, and a small network on them.
#include <hdf5.h>
#include <torch/torch.h>

#include <filesystem>

#include "base/error.h"
#include "options/read.h"
#include "trainer/registry.h"

namespace {

using namespace holdfast;
namespace nn = torch::nn;

struct TableOptions {
  std::string file;
  std::int64_t validation_rows = 0;
  void describe(FieldVisitor& visitor) {
    visitor.field({.name = "file", .doc = "HDF5 with `inputs` [n, inputs] and `targets` [n, targets]; relative to the configuration."},
                  file);
    visitor.field({.name = "validation_rows", .doc = "So many of the last rows are validation data.", .unit = "rows", .min = 0},
                  validation_rows);
  }
};

/// A dataset of two dimensions as float32. Datasets are read whole, here, where nothing else in the process uses HDF5: its usual build must
/// not be called by two threads at a time, and checkpoints are written by one of their own.
at::Tensor read_dataset(const std::string& path, const char* name) {
  const auto refuse = [&](const std::string& found) {
    return DataError(ErrorText{.attempted = "read " + path + ": " + name,
                               .expected = "a dataset of two dimensions",
                               .found = found,
                               .next = "give data.options.file; examples/regression/make_data.py writes the one of this example"});
  };
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // it is told here what is wrong
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) throw refuse("no HDF5 file");
  const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT), space = dataset < 0 ? -1 : H5Dget_space(dataset);
  const int dimensions = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
  at::Tensor values;
  hsize_t sizes[2] = {0, 0};
  if (dimensions == 2) {
    H5Sget_simple_extent_dims(space, sizes, nullptr);
    values = at::empty({static_cast<std::int64_t>(sizes[0]), static_cast<std::int64_t>(sizes[1])}, at::kFloat);
    if (H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data_ptr<float>()) < 0) values = at::Tensor();
  }
  if (space >= 0) H5Sclose(space);
  if (dataset >= 0) H5Dclose(dataset);
  H5Fclose(file);
  if (!values.defined()) throw refuse(dataset < 0 ? "none of that name" : dimensions == 2 ? "one that cannot be read" : "another one");
  return values;
}

/// Some rows of the table.
class Table final : public DataSource {
 public:
  Table(at::Tensor inputs, at::Tensor targets) : inputs_(std::move(inputs)), targets_(std::move(targets)) {}
  std::int64_t size() const override { return inputs_.size(0); }
  Batch load(std::span<const std::int64_t> indices, std::int64_t, std::uint64_t) const override {
    const at::Tensor rows = at::tensor(at::ArrayRef<std::int64_t>(indices.data(), indices.size()), at::kLong);
    return {.fields = {inputs_.index_select(0, rows), targets_.index_select(0, rows)},
            .samples = static_cast<std::int64_t>(indices.size())};
  }

 private:
  at::Tensor inputs_, targets_;
};

DataSources open_table(const OptionTree& tree, const ComponentContext& context) {
  TableOptions options;
  read_options(tree, options);
  if (context.is_check_only) return {};
  const std::string path = (std::filesystem::path(context.directory) / options.file).string();
  const at::Tensor inputs = read_dataset(path, "inputs"), targets = read_dataset(path, "targets");
  const std::int64_t rows = inputs.size(0), training_rows = rows - options.validation_rows;
  if (targets.size(0) != rows || training_rows < 1)
    throw DataError("read " + path + ": inputs and targets need one number of rows, and more than validation_rows");
  DataSources sources{.training = std::make_shared<Table>(inputs.slice(0, 0, training_rows), targets.slice(0, 0, training_rows))};
  if (options.validation_rows > 0)
    sources.validation = std::make_shared<Table>(inputs.slice(0, training_rows), targets.slice(0, training_rows));
  return sources;
}

struct RegressionOptions {
  std::vector<std::int64_t> widths = {8, 64, 1};
  void describe(FieldVisitor& visitor) { visitor.field({.name = "widths", .doc = "Inputs, hidden layer, targets.", .min = 1}, widths); }
};

class Regression final : public Task {
 public:
  explicit Regression(const RegressionOptions& options)
      : net_(nn::Linear(options.widths.at(0), options.widths.at(1)), nn::Tanh(), nn::Linear(options.widths.at(1), options.widths.at(2))) {}
  nn::Module& model() override { return *net_; }
  Loss loss(const Batch& batch) override { return {squares(batch), batch.fields[1].numel()}; }
  Evaluation evaluate(const Batch& batch) override { return {.loss_sum = squares(batch).item<double>(), .count = batch.fields[1].numel()}; }

 private:
  at::Tensor squares(const Batch& batch) { return at::mse_loss(net_->forward(batch.fields[0]), batch.fields[1], at::Reduction::Sum); }
  nn::Sequential net_;
};

}  // namespace

void holdfast_register(Registry& registry) {
  registry.add_data("hdf5", open_table);
  registry.add_task("regression", [](const OptionTree& tree, const ComponentContext&) {
    RegressionOptions options;
    read_options(tree, options);
    if (options.widths.size() != 3)
      throw ConfigError(ErrorText{.attempted = tree.locate("widths", "task.options.widths"), .expected = "three numbers"});
    return std::make_unique<Regression>(options);
  });
}
