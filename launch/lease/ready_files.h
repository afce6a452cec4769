// Which of very many open files have something to read, without asking each (epoll). One thread.
#pragma once

#include <cstddef>
#include <vector>

namespace holdfast {

class ReadyFiles {
 public:
  /// Throws StorageError.
  ReadyFiles();
  ~ReadyFiles();
  ReadyFiles(const ReadyFiles&) = delete;
  ReadyFiles& operator=(const ReadyFiles&) = delete;

  /// Is itself ready to be read when one of them is.
  int fd() const { return fd_; }
  /// `owner` is what take() calls the file by. Throws StorageError.
  void add(int file, void* owner);
  /// Before it is closed.
  void remove(int file);
  /// Those that have something to read, or whose other end is gone; does not block.
  std::vector<void*> take() const;

 private:
  int fd_;
  std::size_t files_ = 0;
};

}  // namespace holdfast
