#include "data/unpacked.h"

#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>
#include <vector>

#include "base/digest.h"
#include "base/error.h"

namespace holdfast {
namespace {

Path cache_directory() {
  const auto from = [](const char* name) -> Path {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  if (const Path given = from("HOLDFAST_DATA_CACHE"); !given.empty()) return given;
  const Path base = from("XDG_CACHE_HOME");
  return (base.empty() ? from("HOME") / ".cache" : base) / "holdfast" / "data";
}

[[noreturn]] void fail(const Path& path, const std::string& cause, const std::string& next = {}) {
  throw DataError(ErrorText{.attempted = "unpack " + path.string(), .cause = cause, .next = next});
}

void unpack(const Path& path, const Path& target) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> source(::gzopen(path.c_str(), "rb"), &::gzclose);
  if (!source) fail(path, "it cannot be opened");
  std::ofstream out(target, std::ios::binary);
  std::vector<char> buffer(1 << 20);
  int n = 0;
  while ((n = ::gzread(source.get(), buffer.data(), static_cast<unsigned>(buffer.size()))) > 0) out.write(buffer.data(), n);
  int error = Z_OK;
  const char* text = ::gzerror(source.get(), &error);
  // A file that ends in mid-stream reads without error up to its end; only this status tells.
  if (n < 0 || error == Z_BUF_ERROR) fail(path, error == Z_BUF_ERROR ? "the file is cut short" : text, "install the data again");
  out.close();
  if (!out) fail(target, "the cache cannot be written", "free space there or set HOLDFAST_DATA_CACHE");
}

}  // namespace

Path unpacked(const Path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) throw DataError(ErrorText{.attempted = "open the data file " + path.string(), .cause = error.message()});
  if (path.extension() != ".gz") return path;
  const auto time = std::filesystem::last_write_time(path).time_since_epoch().count();
  const std::string key = to_hex(digest_of(fmt::format("{} {} {}", std::filesystem::absolute(path).string(), size, time))).substr(0, 16);
  const Path directory = cache_directory();
  const Path target = directory / (path.stem().string() + "-" + key);
  if (std::filesystem::exists(target)) return target;
  std::filesystem::create_directories(directory, error);
  const Path temporary = target.string() + fmt::format(".{}", ::getpid());
  unpack(path, temporary);
  std::filesystem::rename(temporary, target);
  return target;
}

}  // namespace holdfast
