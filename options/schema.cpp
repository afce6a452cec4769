// JSON schema of described fields (json-schema.org, 2020-12).
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "options/reference.h"

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;

Json empty_section() {
  Json section;
  section["type"] = {"object", "null"};
  section["additionalProperties"] = false;
  section["properties"] = Json::object();
  return section;
}

Json bound(double value) { return value == std::trunc(value) ? Json(static_cast<std::int64_t>(value)) : Json(value); }

void add_bounds(const DescribedField& field, Json& schema) {
  if (std::isfinite(field.min)) schema[field.min_is_excluded ? "exclusiveMinimum" : "minimum"] = bound(field.min);
  if (std::isfinite(field.max)) schema[field.max_is_excluded ? "exclusiveMaximum" : "maximum"] = bound(field.max);
}

Json scalar_schema(const DescribedField& field, FieldType type) {
  Json schema;
  if (type == FieldType::boolean) schema["type"] = "boolean";
  if (type == FieldType::integer) schema["type"] = "integer";
  if (type == FieldType::number) schema["type"] = "number";
  if (type == FieldType::text) schema["type"] = "string";
  if (field.is_optional) schema["type"] = {schema["type"], "null"};
  if (!field.choices.empty()) schema["enum"] = field.choices;
  add_bounds(field, schema);
  return schema;
}

Json list_schema(Json items) {
  Json schema;
  schema["type"] = {"array", "null"};
  schema["items"] = std::move(items);
  return schema;
}

Json schema_of(const DescribedField& field) {
  switch (field.type) {
    case FieldType::integers: return list_schema(scalar_schema(field, FieldType::integer));
    case FieldType::numbers: return list_schema(scalar_schema(field, FieldType::number));
    case FieldType::texts: {
      Json schema = list_schema(scalar_schema(field, FieldType::text));
      if (field.takes_one_text) schema["type"].push_back("string");
      return schema;
    }
    case FieldType::list: return list_schema(empty_section());
    case FieldType::map: {
      Json schema;
      schema["type"] = {"object", "null"};
      schema["propertyNames"] = {{"pattern", "^[A-Za-z0-9_-]+$"}};
      schema["additionalProperties"] = empty_section();
      return schema;
    }
    case FieldType::section:
      if (!field.is_subtree) return empty_section();
      return {{"type", {"object", "null"}}};
    default: return scalar_schema(field, field.type);
  }
}

// The schema of the section that holds the field.
Json& parent_of(const DescribedField& field, Json& root) {
  Json* section = &root;
  for (std::size_t i = 0; i + 1 < field.path.size(); ++i) {
    if (field.path[i] == kAnyName) {
      section = &(*section)["additionalProperties"];
    } else if (field.path[i] == kAnyIndex) {
      section = &(*section)["items"];
    } else {
      section = &(*section)["properties"][field.path[i]];
    }
  }
  return *section;
}

}  // namespace

Json json_schema(const std::vector<DescribedField>& fields, const std::string& title) {
  Json root;
  root["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  root["title"] = title;
  root.update(empty_section());
  for (const DescribedField& field : fields) {
    Json schema = schema_of(field);
    schema["description"] = field.unit.empty() ? field.doc : fmt::format("{} Unit: {}.", field.doc, field.unit);
    if (!field.is_group()) schema["default"] = Json::parse(field.default_json);
    parent_of(field, root)["properties"][field.name()] = std::move(schema);
  }
  return root;
}

}  // namespace holdfast
