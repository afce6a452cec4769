// HDF5 handles that close themselves, and HDF5's errors as exceptions. The caller holds hdf5_mutex().
#pragma once

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>

namespace holdfast {

/// The lock around every call of the HDF5 library in this process.
std::mutex& hdf5_mutex();

/// Owns an identifier of any kind. `close` is H5Dclose, H5Sclose and the like.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  /// Throws StorageError with HDF5's own message when `id` is not valid.
  Hdf5Handle(hid_t id, Close close, const char* what);
  ~Hdf5Handle();
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&&) = delete;
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
  Close close_;
};

/// Throws StorageError with HDF5's own message when `result` is negative.
void check_hdf5(herr_t result, const char* what);

/// While it lives, this thread's HDF5 prints no errors.
class QuietHdf5 {
 public:
  QuietHdf5();
  ~QuietHdf5();
  QuietHdf5(const QuietHdf5&) = delete;
  QuietHdf5& operator=(const QuietHdf5&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

}  // namespace holdfast
