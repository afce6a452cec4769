// The reference of every key, made from the same descriptions that the reader uses: Markdown for people, JSON schema for
// editors. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "options/field_list.h"

namespace holdfast {

/// The command that writes docs/configuration.md anew.
inline constexpr std::string_view kReferenceCommand = "holdfast config reference > docs/configuration.md";

/// A complete configuration of few lines; the reference begins with it.
std::string_view example_configuration();

/// docs/configuration.md.
std::string configuration_reference();

/// One Markdown table of the fields whose path begins with `group` and is one longer; also for a task's own options.
std::string reference_table(const std::vector<DescribedField>& fields, const std::vector<std::string>& group);

/// JSON schema (2020-12) of a mapping with these fields. Editors that know YAML schemas complete and check with it.
nlohmann::ordered_json json_schema(const std::vector<DescribedField>& fields, const std::string& title);

}  // namespace holdfast
