// The words of a command or an environment as the exec family takes them.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

/// Points into `words`; the last pointer is null.
inline std::vector<char*> exec_array(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace holdfast
