// `callbacks:`: what their keys mean. The built-in types' own options are described where they are: callbacks/.
#include "options/plugin_field.h"
#include "options/run_options.h"

namespace holdfast {

void CallbackOptions::describe(FieldVisitor& visitor) {
  visitor.field(
      {.name = "type",
       .doc = "`early_stopping`, `gradient_norm`, `samples`, `time_limit` ([callbacks.md](callbacks.md)), or the name of one that a plugin "
              "registers.",
       .synonyms = "name kind"},
      type);
  describe_plugin_of_type(visitor, plugin);
  visitor.subtree({.name = "options", .doc = "Its own options, which it checks itself.", .synonyms = "config params args"}, options);
}

}  // namespace holdfast
