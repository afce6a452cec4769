// A plugin that does what a plugin must not do: while it registers as HOLDFAST_TEST_PLUGIN says, or where a factory of that name is called.
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "trainer/registry.h"

namespace {

using holdfast::ComponentContext;
using holdfast::OptionTree;

/// Not by writing through a null pointer, which a sanitizer would answer.
[[noreturn]] void crash() {
  std::raise(SIGSEGV);
  std::abort();
}

std::unique_ptr<holdfast::Task> misbehave(const std::string& how) {
  if (how == "throws") throw std::runtime_error("no luck today");
  if (how == "throws_a_number") throw 7;
  if (how == "crashes") crash();
  if (how == "exits") std::exit(3);
  return nullptr;
}

}  // namespace

void holdfast_register(holdfast::Registry& registry) {
  const char* asked = std::getenv("HOLDFAST_TEST_PLUGIN");
  const std::string how = asked ? asked : "";
  const auto returns_none = [](const OptionTree&, const ComponentContext&) { return misbehave("returns_none"); };
  if (how == "registers_twice") registry.add_task("returns_none", returns_none);
  if (how == "registers_a_built_in_name") registry.add_task("mlp", returns_none);
  misbehave(how);
  for (const char* name : {"throws", "throws_a_number", "crashes", "exits", "returns_none"})
    registry.add_task(name, [name](const OptionTree&, const ComponentContext&) { return misbehave(name); });
}
