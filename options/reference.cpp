#include "options/reference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "options/run_options.h"

namespace holdfast {
namespace {

constexpr std::string_view kExample = R"(task: {name: mlp}
data: {name: random, options: {shape: [784], samples: 10000}, global_batch_size: 128}
optimizers:
  main: {type: adamw, lr: 1e-3, schedule: warm}
schedules:
  warm: {type: cosine, warmup_steps: 100}
trainer: {max_epochs: 2}
checkpoints:
  - {every_steps: 200, limit: 3}
)";

constexpr std::string_view kIntroduction = R"(# Configuration

<!-- Made from the option structs in options/; a test compares. Write it anew with:
     {command} -->

A run is described by one YAML file. A short one that is complete:

```yaml
{example}```

How it is read:

- Strictly. An unknown key, a wrong type or a value out of range is refused before any rank starts, with exit code 78 and
  a message that names file, line and column, what was expected and what was found.
- `--set KEY=VALUE` lays one value over the file, for `holdfast run`, `holdfast-train` and `holdfast config`. KEY is the
  path with dots, list entries by their index from 0 (the index after the last one appends); VALUE is YAML and replaces
  what was there: `--set trainer.max_steps=100 --set optimizers.main.betas='[0.9, 0.99]' --set checkpoints.0.limit=5`.
- A key that is not given has its default. `null` (or nothing after the colon) is a value where the type says so; for a
  section it means the defaults.
- An integer may stand where a number is wanted, not the other way round. `1e-3` and `.5` are numbers; `.inf` and `.nan`
  are refused. Only `true` and `false` are booleans.
- The keys under `task.options` and `data.options` belong to the task and to the source of data, which check them as
  strictly. `holdfast config check CONFIG` checks all that needs no data, `holdfast config plan CONFIG` opens the data too,
  `holdfast config show CONFIG` prints every value in force.
- Names (of optimizers, schedules and entries of `checkpoints`) consist of letters, digits, `_` and `-`.

)";

std::string type_cell(const DescribedField& field) {
  std::string text;
  switch (field.type) {
    case FieldType::boolean: text = "true or false"; break;
    case FieldType::integer: text = "integer"; break;
    case FieldType::number: text = "number"; break;
    case FieldType::text: text = field.choices.empty() ? "text" : fmt::format("`{}`", fmt::join(field.choices, "`, `")); break;
    case FieldType::integers: text = "list of integers"; break;
    case FieldType::numbers: text = "list of numbers"; break;
    case FieldType::texts: text = field.takes_one_text ? "text or list of texts" : "list of texts"; break;
    case FieldType::section: text = "section"; break;
    case FieldType::list: text = "list of sections"; break;
    case FieldType::map: text = "sections by name"; break;
  }
  return field.is_optional ? text + " or null" : text;
}

std::string default_cell(const DescribedField& field) {
  if (field.type == FieldType::text && !field.choices.empty())
    return fmt::format("`{}`", nlohmann::json::parse(field.default_json).get<std::string>());
  return fmt::format("`{}`", field.default_json);
}

std::string range_cell(const DescribedField& field) {
  const Field info{.min = field.min, .max = field.max, .min_is_excluded = field.min_is_excluded, .max_is_excluded = field.max_is_excluded};
  return range_text(info);
}

bool is_in_group(const DescribedField& field, const std::vector<std::string>& group) {
  return field.path.size() == group.size() + 1 && std::equal(group.begin(), group.end(), field.path.begin());
}

// The chapter of one top-level section, list or map.
std::string chapter(const std::vector<DescribedField>& fields, const DescribedField& section) {
  std::vector<std::string> group = section.path;
  std::string form;
  if (section.type == FieldType::map) {
    group.emplace_back(kAnyName);
    form = fmt::format("Sections by name; keys of `{}.{}`:\n\n", section.name(), kAnyName);
  }
  if (section.type == FieldType::list) {
    group.emplace_back(kAnyIndex);
    form = "A list of sections; keys of each:\n\n";
  }
  return fmt::format("## `{}`\n\n{}\n\n{}{}\n", section.name(), section.doc, form, reference_table(fields, group));
}

}  // namespace

std::string_view example_configuration() { return kExample; }

std::string reference_table(const std::vector<DescribedField>& fields, const std::vector<std::string>& group) {
  std::string out = "| key | type | default | unit | range | meaning |\n|---|---|---|---|---|---|\n";
  for (const DescribedField& field : fields) {
    if (!is_in_group(field, group)) continue;
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", field.name(), type_cell(field), default_cell(field), field.unit,
                       range_cell(field), field.doc);
  }
  return out;
}

std::string configuration_reference() {
  const std::vector<DescribedField> fields = list_fields_of<Configuration>();
  std::string out = fmt::format(fmt::runtime(kIntroduction), fmt::arg("command", kReferenceCommand), fmt::arg("example", kExample));
  std::string simple;
  std::string chapters;
  std::vector<DescribedField> top_level;
  for (const DescribedField& field : fields) {
    if (field.path.size() != 1) continue;
    if (field.is_group()) {
      simple += fmt::format("- [`{0}`](#{0}): {1}\n", field.name(), field.doc);
      chapters += chapter(fields, field);
    } else {
      top_level.push_back(field);
    }
  }
  return out + "The keys at the top level are these sections:\n\n" + simple + "\nand these values:\n\n" + reference_table(top_level, {}) +
         "\n" + chapters.substr(0, chapters.size() - 1);
}

}  // namespace holdfast
