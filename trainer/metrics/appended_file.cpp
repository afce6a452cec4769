#include "trainer/metrics/appended_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace holdfast {

AppendedFile::AppendedFile(const Path& path) : path_(path), file_(std::fopen(path.c_str(), "ae"), &std::fclose) {
  if (!file_) throw StorageError(ErrorText{.attempted = "open " + path.string(), .cause = std::strerror(errno)});
}

void AppendedFile::append(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size() || std::fflush(file_.get()) != 0)
    throw StorageError(ErrorText{.attempted = "write " + path_.string(), .cause = std::strerror(errno)});
}

void AppendedFile::sync() {
  if (::fsync(::fileno(file_.get())) != 0)
    throw StorageError(ErrorText{.attempted = "fsync " + path_.string(), .cause = std::strerror(errno)});
}

}  // namespace holdfast
