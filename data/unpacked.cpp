#include "data/unpacked.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/host.h"

namespace holdfast {
namespace {

Path cache_directory() {
  const char* given = std::getenv("HOLDFAST_DATA_CACHE");
  return given && *given ? Path(given) : user_cache_directory() / "data";
}

[[noreturn]] void fail(const Path& path, const std::string& cause, const std::string& next = {}) {
  throw DataError(ErrorText{.attempted = "unpack " + path.string(), .cause = cause, .next = next});
}

void unpack(const Path& path, const Path& target) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> source(::gzopen(path.c_str(), "rb"), &::gzclose);
  if (!source) fail(path, "it cannot be opened");
  if (::gzdirect(source.get()) == 1) fail(path, "it is no gzip file", "name it without .gz if it is not compressed");
  std::ofstream out(target, std::ios::binary);
  std::vector<char> buffer(1 << 20);
  int n = 0;
  while ((n = ::gzread(source.get(), buffer.data(), static_cast<unsigned>(buffer.size()))) > 0) out.write(buffer.data(), n);
  int error = Z_OK;
  const char* text = ::gzerror(source.get(), &error);
  // A file that ends in mid-stream reads without error up to its end; only this status tells.
  if (n < 0 || error == Z_BUF_ERROR) fail(path, error == Z_BUF_ERROR ? "the file is cut short" : text, "install the data again");
  out.close();
  if (!out) fail(path, target.string() + " cannot be written", "free space there or set HOLDFAST_DATA_CACHE");
}

/// On the disk before it has its name: a file that a loss of power cut short would be trusted for ever.
void publish(const Path& temporary, const Path& target) {
  const int fd = ::open(temporary.c_str(), O_RDONLY | O_CLOEXEC);
  const bool is_durable = fd >= 0 && ::fsync(fd) == 0;
  const std::string cause = std::strerror(errno);
  if (fd >= 0) ::close(fd);
  std::error_code error;
  if (is_durable) std::filesystem::rename(temporary, target, error);
  if (!is_durable || error) fail(target, is_durable ? error.message() : cause, "free space there or set HOLDFAST_DATA_CACHE");
}

}  // namespace

Path unpacked(const Path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error)
    throw DataError(ErrorText{.attempted = "open the data file " + path.string(),
                              .cause = error.message(),
                              .next = "mend its path under data.options; scripts/setup.sh installs the data that configs/ take"});
  if (path.extension() != ".gz") return path;
  const auto time = std::filesystem::last_write_time(path).time_since_epoch().count();
  const std::string key = to_hex(digest_of(fmt::format("{} {} {}", std::filesystem::absolute(path).string(), size, time))).substr(0, 16);
  const Path directory = cache_directory();
  const Path target = directory / (path.stem().string() + "-" + key);
  if (std::filesystem::exists(target)) return target;
  std::filesystem::create_directories(directory, error);
  const Path temporary = target.string() + fmt::format(".{}-{}", host_name(), ::getpid());
  try {
    unpack(path, temporary);
    publish(temporary, target);
  } catch (const DataError&) {
    std::filesystem::remove(temporary, error);
    throw;
  }
  return target;
}

}  // namespace holdfast
