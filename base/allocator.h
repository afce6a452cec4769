// How this process deals with memory that it frees.
#pragma once

namespace holdfast {

/// The C library keeps up to 1 GiB of freed memory in each of its arenas for the next allocation, except blocks of 32 MiB or more.
/// Each training step frees gradients and buffers and allocates them again; fetching their pages anew from the system would cost
/// more than using them.
void keep_freed_memory();

}  // namespace holdfast
