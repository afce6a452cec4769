#include "cuda/operation_marks.h"

#include <exception>

namespace holdfast {

StreamMarks::~StreamMarks() {
  streams_.release(start_);
  if (end_) streams_.release(*end_);
}

bool StreamMarks::is_reached(Streams::Mark mark) {
  try {
    return streams_.is_reached(mark);
  } catch (const std::exception& error) {
    failure_ = error.what();
    return false;
  }
}

}  // namespace holdfast
