#include "checkpoint/format/hdf5_handle.h"

#include "base/error.h"
#include "checkpoint/format/shard.h"

namespace holdfast {
namespace {

herr_t keep_innermost(unsigned, const H5E_error2_t* error, void* text) {
  if (error->desc && *error->desc) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

[[noreturn]] void fail(const char* what) {
  std::string cause = "HDF5 gives no reason";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_innermost, &cause);
  throw StorageError(ErrorText{.attempted = std::string("HDF5: ") + what, .cause = cause});
}

}  // namespace

std::mutex& hdf5_mutex() {
  static std::mutex mutex;
  return mutex;
}

Hdf5Handle::Hdf5Handle(hid_t id, Close close, const char* what) : id_(id), close_(close) {
  if (id_ < 0) fail(what);
}

Hdf5Handle::~Hdf5Handle() {
  if (id_ >= 0) close_(id_);
}

void check_hdf5(herr_t result, const char* what) {
  if (result < 0) fail(what);
}

QuietHdf5::QuietHdf5() {
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

QuietHdf5::~QuietHdf5() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }

}  // namespace holdfast
