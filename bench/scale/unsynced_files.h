// The real file system, but that nothing is synced and everything goes through the page cache: for ranks that stand for ones on other
// hosts, whose disks work at the same time.
#pragma once

#include <memory>

#include "base/file_system.h"

namespace holdfast {

std::unique_ptr<FileSystem> make_unsynced_files();

}  // namespace holdfast
