// The key `plugin` beside a `type` that may be one of a plugin.
#pragma once

#include <string>

#include "options/field.h"

namespace holdfast {

inline void describe_plugin_of_type(FieldVisitor& visitor, std::string& plugin) {
  visitor.field(
      {.name = "plugin",
       .doc = "A shared library that registers `type`, relative to the directory of the configuration file. Empty: a built-in one, "
              "or one of the task's plugin.",
       .synonyms = "library"},
      plugin);
}

}  // namespace holdfast
