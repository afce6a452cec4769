#include "checkpoint/format/skeleton.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/host.h"
#include "checkpoint/format/hdf5_handle.h"
#include "checkpoint/format/manifest.h"
#include "checkpoint/format/shard.h"

namespace holdfast {
namespace {

constexpr hsize_t kAlignment = 4096;         // of datasets of at least this size: what direct I/O wants
constexpr hsize_t kMetadataPerPiece = 1024;  // object header with attributes and its share of the group, generously

/// A file in memory, with a name for as long as HDF5 needs one to open it (HDF5 resolves names, so that a memfd has none that
/// it takes).
class MemoryFile {
 public:
  MemoryFile() : path_((memory_directory() / "holdfast-XXXXXX").string()) {
    fd_ = ::mkostemp(path_.data(), O_CLOEXEC);
    if (fd_ < 0) throw StorageError(ErrorText{.attempted = "create the temporary file " + path_, .cause = std::strerror(errno)});
  }
  ~MemoryFile() {
    remove_name();
    ::close(fd_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  const std::string& path() const { return path_; }
  /// Nothing is left behind if the process is killed from now on.
  void remove_name() {
    if (!std::exchange(has_name_, false)) return;
    ::unlink(path_.c_str());
  }
  std::uint64_t size() const {
    struct stat status {};
    ::fstat(fd_, &status);
    return static_cast<std::uint64_t>(status.st_size);
  }
  std::vector<std::byte> read(std::uint64_t offset, std::uint64_t bytes) const {
    std::vector<std::byte> out(bytes);
    if (::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset)) != static_cast<ssize_t>(out.size()))
      throw StorageError(ErrorText{.attempted = "read back the head of a shard", .cause = std::strerror(errno)});
    return out;
  }
  /// True when nothing was written from `offset` on.
  bool is_empty_from(std::uint64_t offset) const {
    for (off_t at = ::lseek(fd_, static_cast<off_t>(offset), SEEK_DATA); at >= 0; at = ::lseek(fd_, at, SEEK_DATA)) {
      const off_t end = ::lseek(fd_, at, SEEK_HOLE);
      const auto bytes = read(static_cast<std::uint64_t>(at), static_cast<std::uint64_t>(end - at));
      if (std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{0}; })) return false;
      at = end;
    }
    return true;
  }

 private:
  std::string path_;
  int fd_ = -1;
  bool has_name_ = true;
};

hid_t stored_type(DType dtype) {
  switch (dtype) {
    case DType::u8:
    case DType::boolean: return H5T_STD_U8LE;
    case DType::i8: return H5T_STD_I8LE;
    case DType::i16: return H5T_STD_I16LE;
    case DType::bf16: return H5T_STD_U16LE;  // no HDF5 type of its own; the attribute `dtype` tells
    case DType::i32: return H5T_STD_I32LE;
    case DType::i64: return H5T_STD_I64LE;
    case DType::f32: return H5T_IEEE_F32LE;
    case DType::f64: return H5T_IEEE_F64LE;
    case DType::f16: break;
  }
  throw std::logic_error("float16 has a type that is made");
}

/// IEEE half precision, which HDF5 1.10 has no name for.
Hdf5Handle make_float16() {
  Hdf5Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose, "copy a type");
  check_hdf5(H5Tset_fields(type, 15, 10, 5, 0, 10), "set the fields of float16");
  check_hdf5(H5Tset_size(type, 2), "set the size of float16");
  check_hdf5(H5Tset_ebias(type, 15), "set the bias of float16");
  return type;
}

void write_text(hid_t object, const char* name, std::string_view text) {
  const Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "copy a type");
  check_hdf5(H5Tset_size(type, std::max<std::size_t>(text.size(), 1)), "set the size of a text");
  check_hdf5(H5Tset_strpad(type, H5T_STR_NULLPAD), "set that a text needs no end mark");
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose, "create a dataspace");
  const Hdf5Handle attribute(H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose, "create an attribute");
  check_hdf5(H5Awrite(attribute, type, text.data()), "write an attribute");
}

void write_numbers(hid_t object, const char* name, const std::vector<std::int64_t>& numbers, bool is_scalar) {
  const hsize_t count = numbers.size();
  const Hdf5Handle space(is_scalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &count, nullptr), H5Sclose, "create a dataspace");
  const Hdf5Handle attribute(H5Acreate2(object, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose, "create an attribute");
  check_hdf5(H5Awrite(attribute, H5T_NATIVE_INT64, numbers.data()), "write an attribute");
}

Hdf5Handle make_file_properties(std::size_t pieces) {
  Hdf5Handle properties(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "create file properties");
  check_hdf5(H5Pset_libver_bounds(properties, H5F_LIBVER_V18, H5F_LIBVER_LATEST), "set library versions");
  check_hdf5(H5Pset_alignment(properties, kAlignment, kAlignment), "set alignment");
  // One metadata block that holds all: everything else comes behind it.
  check_hdf5(H5Pset_meta_block_size(properties, kMetadataPerPiece * pieces + (64 << 10)), "set the metadata block");
  return properties;
}

/// The same input gives the same bytes: no object says when it was created. By default groups do, to the second.
void set_no_times(hid_t properties) { check_hdf5(H5Pset_obj_track_times(properties, 0), "set no times"); }

/// Properties of every dataset: allocated at once, contiguous, never filled.
Hdf5Handle make_dataset_properties() {
  Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "create dataset properties");
  check_hdf5(H5Pset_layout(properties, H5D_CONTIGUOUS), "set contiguous layout");
  check_hdf5(H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY), "set early allocation");
  check_hdf5(H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER), "set no filling");
  set_no_times(properties);
  return properties;
}

class SkeletonBuilder {
 public:
  SkeletonBuilder(hid_t file)
      : file_(file),
        dataset_properties_(make_dataset_properties()),
        group_properties_(H5Pcreate(H5P_GROUP_CREATE), H5Pclose, "create group properties"),
        float16_(make_float16()) {
    set_no_times(group_properties_);
  }

  /// Returns the offset of the dataset's bytes.
  std::uint64_t add(const ShardPiece& piece) {
    const TensorInfo& tensor = piece.tensor;
    const bool is_whole = piece.slice == Slice{0, tensor.elements()};
    const std::vector<hsize_t> extents = is_whole ? std::vector<hsize_t>(tensor.shape.begin(), tensor.shape.end())
                                                  : std::vector<hsize_t>{static_cast<hsize_t>(piece.slice.count)};
    const Hdf5Handle space(
        extents.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose,
        "create a dataspace");
    const std::string path = (tensor.kind == TensorKind::per_rank ? "/rank/" : "/") + tensor.name;
    make_groups_of(path);
    const hid_t type = tensor.dtype == DType::f16 ? hid_t(float16_) : stored_type(tensor.dtype);
    const Hdf5Handle dataset(H5Dcreate2(file_, path.c_str(), type, space, H5P_DEFAULT, dataset_properties_, H5P_DEFAULT), H5Dclose,
                             ("create the dataset " + path).c_str());
    write_text(dataset, "dtype", name_of(tensor.dtype));
    write_text(dataset, "kind", name_of(tensor.kind));
    if (!is_whole) {
      write_numbers(dataset, "global_shape", tensor.shape, false);
      write_numbers(dataset, "flat_offset", {piece.slice.offset}, true);
    }
    if (piece.slice.count == 0) return 0;
    const haddr_t offset = H5Dget_offset(dataset);
    if (offset == HADDR_UNDEF) throw StorageError("HDF5 allocated no space for the dataset " + path);
    return offset;
  }

 private:
  /// The groups above a dataset. HDF5 would make them by itself, but with the time in them.
  void make_groups_of(const std::string& path) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      const std::string group = path.substr(0, slash);
      if (!groups_.insert(group).second) continue;
      const Hdf5Handle made(H5Gcreate2(file_, group.c_str(), H5P_DEFAULT, group_properties_, H5P_DEFAULT), H5Gclose,
                            ("create the group " + group).c_str());
    }
  }

  hid_t file_;
  Hdf5Handle dataset_properties_, group_properties_, float16_;
  std::unordered_set<std::string> groups_;
};

}  // namespace

void build_skeleton(ShardLayout& layout) {
  const std::lock_guard lock(hdf5_mutex());
  const QuietHdf5 quiet;
  MemoryFile memory;
  layout.offsets.clear();
  {
    const Hdf5Handle properties = make_file_properties(layout.pieces.size());
    const Hdf5Handle root(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "create root group properties");
    set_no_times(root);
    const Hdf5Handle file(H5Fcreate(memory.path().c_str(), H5F_ACC_TRUNC, root, properties), H5Fclose, "create a file");
    memory.remove_name();
    write_text(file, "format", "holdfast-shard");
    write_numbers(file, "format_version", {kFormatVersion}, true);
    write_numbers(file, "rank", {layout.rank}, true);
    write_numbers(file, "world_size", {layout.world_size}, true);
    SkeletonBuilder builder(file);
    for (const ShardPiece& piece : layout.pieces) layout.offsets.push_back(builder.add(piece));
  }
  layout.file_bytes = memory.size();
  std::uint64_t first = layout.file_bytes;
  for (std::size_t i = 0; i < layout.pieces.size(); ++i) {
    if (layout.pieces[i].bytes() == 0) continue;
    first = std::min(first, layout.offsets[i]);
    layout.file_bytes = std::max(layout.file_bytes, layout.offsets[i] + layout.pieces[i].bytes());
  }
  layout.head = memory.read(0, first);
  if (!memory.is_empty_from(first)) throw std::logic_error("HDF5 put metadata behind the first dataset of a shard");
}

}  // namespace holdfast
