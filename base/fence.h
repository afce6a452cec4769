// Keeps a process that does not know it is over from changing a run that goes on without it: one on a host that was cut off, or that
// was stopped, and wakes up after the restart. The file `fence` names who may change the run directory; whoever starts an attempt
// writes it first, and the attempt's rank 0 looks at it right before each change. It is no lock: what may pass is one change that had
// been looked for before the new name was there and is made after it (docs/guarantees.md).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/file_system.h"

namespace holdfast {

/// What the file says of an attempt: a digest, for the tag holds the run's token, which is a secret.
std::string fence_holder(const std::string& attempt_tag);

/// From now on only `holder` may change what lies behind the fence. Durable. Throws StorageError.
void raise_fence(FileSystem& files, const Path& fence, const std::string& holder);

/// The same files, for `holder`. Before each operation that changes something the fence is read; where it names another, `on_stale` is
/// called, which must not return. A fence that cannot be read lets nothing pass: StorageError.
std::unique_ptr<FileSystem> behind_fence(std::unique_ptr<FileSystem> files, Path fence, std::string holder,
                                         std::function<void(const Path& changed)> on_stale);

}  // namespace holdfast
