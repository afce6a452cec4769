#include "options/tree.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "options/nearest.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/options/messages.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string error_in(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return config_error_of([&] { OptionTree::from_text(text, "x.yaml", overrides); });
}

nlohmann::json json_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return OptionTree::from_text(text, "x.yaml", overrides).to_json();
}

TEST(Tree, KnowsWhereEachValueStands) {
  const OptionTree tree = OptionTree::from_text("a:\n  b: 1\n  c: [x, {d: 2}]\n", "x.yaml");
  EXPECT_EQ(tree.where("a.b"), "x.yaml:2:6");
  EXPECT_EQ(tree.where("a.c.0"), "x.yaml:3:7");
  EXPECT_EQ(tree.where("a.c.1.d"), "x.yaml:3:14");
}

TEST(Tree, SaysTheKeyOfASectionAndTheNearestPartOfWhatIsNotThere) {
  const OptionTree tree = OptionTree::from_text("# head\na:\n  b:\n    c: 1\n", "x.yaml");
  EXPECT_EQ(tree.where("a.b"), "x.yaml:3:3");
  EXPECT_EQ(tree.where("a.b.nothing.further"), "x.yaml:3:3");
  EXPECT_EQ(tree.where("nothing"), tree.where());
}

TEST(Tree, GivesAnEmptyValueThePlaceOfItsKey) {
  const OptionTree tree = OptionTree::from_text("a:\n  b:\n\n  c: 1\n", "x.yaml");
  EXPECT_EQ(tree.where("a.b"), "x.yaml:2:3");
  EXPECT_FALSE(tree.has("a.b"));
  EXPECT_TRUE(tree.has("a.c"));
}

TEST(Tree, TellsTextFromNumbersByItsQuotes) {
  const nlohmann::json json = json_of("a: 12\nb: \"12\"\nc: true\nd: 'true'\ne: 1e-3\nf: .5\ng: ~\nh: word\n");
  EXPECT_EQ(json, nlohmann::json::parse(R"({"a":12,"b":"12","c":true,"d":"true","e":0.001,"f":0.5,"g":null,"h":"word"})"));
}

TEST(Tree, KeepsIntegersOf64Bits) { EXPECT_EQ(json_of("a: 9223372036854775807")["a"], 9223372036854775807); }

TEST(Tree, ResolvesAnchors) { EXPECT_EQ(json_of("a: &one {x: 1}\nb: *one\n")["b"]["x"], 1); }

TEST(Tree, RefusesAKeyTwiceInOneMapping) {
  EXPECT_EQ(error_in("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n"), "x.yaml:5:3: duplicate key 'c' (the first one is at x.yaml:3:3)");
}

TEST(Tree, AllowsOneKeyInTwoMappings) { EXPECT_EQ(json_of("a: {c: 1}\nb: {c: 2}\n")["b"]["c"], 2); }

TEST(Tree, RefusesWhatIsNotYamlWithItsPlace) {
  EXPECT_THAT(error_in("a: 1\nb: [1, 2\nc: 3\n"), StartsWith("x.yaml:"));
  EXPECT_THAT(error_in("a: 1\nb: [1, 2\nc: 3\n"), HasSubstr("not valid YAML"));
  EXPECT_THAT(error_in("a: 'open"), HasSubstr("not valid YAML"));
  EXPECT_THAT(error_in("a: *nobody"), HasSubstr("not valid YAML"));
}

TEST(Tree, RefusesWhatIsNoConfiguration) {
  EXPECT_THAT(error_in("- 1\n- 2\n"), StartsWith("x.yaml:1:1: expected a configuration (keys and values), found a list"));
  EXPECT_THAT(error_in("just words"), HasSubstr("found 'just words'"));
  EXPECT_THAT(error_in("a: 1\n---\nb: 2\n"), HasSubstr("second YAML document"));
  EXPECT_THAT(error_in("{[1, 2]: 3}"), HasSubstr("a key must be text"));
}

TEST(Tree, TakesAnEmptyFileAsNoKeys) {
  EXPECT_EQ(json_of(""), nlohmann::json::object());
  EXPECT_EQ(json_of("# only a comment\n"), nlohmann::json::object());
}

TEST(Tree, RefusesFilesThatCannotBeRead) {
  const TemporaryDirectory directory;
  const std::string missing = (directory.path() / "missing.yaml").string();
  EXPECT_EQ(config_error_of([&] { OptionTree::from_file(missing); }),
            missing + ": cannot read the configuration: expected a YAML file, found no such file");
  EXPECT_THAT(config_error_of([&] { OptionTree::from_file(directory.path().string()); }), HasSubstr("found a directory"));
  EXPECT_THAT(config_error_of([] { OptionTree::from_file("/proc/self/mem"); }), HasSubstr("/proc/self/mem: cannot read the configuration"));
  const std::string below_a_file = directory.write("plain", "a: 1") + "/x.yaml";
  EXPECT_THAT(config_error_of([&] { OptionTree::from_file(below_a_file); }), HasSubstr(below_a_file));
}

TEST(Override, ReplacesAValueAndAddsOne) {
  EXPECT_EQ(json_of("a: {b: 1}", {"a.b=2", "a.c=[1, 2]", "d.e.f=x"}),
            nlohmann::json::parse(R"({"a":{"b":2,"c":[1,2]},"d":{"e":{"f":"x"}}})"));
}

TEST(Override, ReachesIntoListsAndAppends) {
  EXPECT_EQ(json_of("a: [{b: 1}, {b: 2}]", {"a.1.b=3", "a.2.b=4"}), nlohmann::json::parse(R"({"a":[{"b":1},{"b":3},{"b":4}]})"));
  EXPECT_EQ(json_of("", {"a.0.b=1"}), nlohmann::json::parse(R"({"a":[{"b":1}]})"));
  EXPECT_EQ(json_of("a: []", {"a.0.b=1"}), nlohmann::json::parse(R"({"a":[{"b":1}]})"));
}

TEST(Override, TheLastOneWins) { EXPECT_EQ(json_of("a: 1", {"a=2", "a=3"})["a"], 3); }

TEST(Override, TakesEverythingAfterTheFirstEqualsSignAsYaml) {
  EXPECT_EQ(json_of("", {"a=b=c"})["a"], "b=c");
  EXPECT_EQ(json_of("", {"a={b: {c: 1}}"})["a"]["b"]["c"], 1);
  EXPECT_EQ(json_of("a: 1", {"a="})["a"], nullptr);
}

TEST(Override, LeavesTheTreeItIsLaidOverAlone) {
  const std::string text = "a: &shared {x: 1}\nb: *shared\n";
  EXPECT_EQ(json_of(text, {"a.x=2"}), nlohmann::json::parse(R"({"a":{"x":2},"b":{"x":1}})"));
}

TEST(Override, RemembersWhichOneItWas) {
  const OptionTree tree = OptionTree::from_text("a: {b: 1, c: 2}", "x.yaml", {"a.b=3", "d={e: 1}"});
  EXPECT_EQ(tree.where("a.b"), "--set a.b=3");
  EXPECT_EQ(tree.where("d.e"), "--set d={e: 1}");
  EXPECT_EQ(tree.where("a.c"), "x.yaml:1:14");
}

TEST(Override, RefusesWhatIsNoOverride) {
  for (const std::string bad : {"a", "=1", "a..b=1", ".a=1", "a.=1", "a b=1", ""})
    EXPECT_THAT(error_in("", {bad}), StartsWith("--set " + bad + ": expected KEY=VALUE")) << bad;
  EXPECT_THAT(error_in("", {"a='open"}), StartsWith("--set a='open: not valid YAML"));
}

TEST(Override, RefusesAPathThatLeadsThroughAValue) {
  EXPECT_EQ(error_in("a: {b: 5}", {"a.b.c=1"}),
            "--set a.b.c=1: a.b: expected a section or a list to set something in, found '5' at x.yaml:1:8");
  EXPECT_THAT(error_in("a: [1]", {"a.2=1"}), HasSubstr("expected an index from 0 to 1"));
  EXPECT_THAT(error_in("a: [1]", {"a.x=1"}), HasSubstr("found 'x'"));
}

TEST(Nearest, CountsSwapsOfNeighboursOnce) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", "abc"), 0u);
  EXPECT_EQ(edit_distance("abc", "acb"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("ABC", "abc"), 0u);
}

TEST(Nearest, SuggestsTheClosestWordOnlyIfItIsClose) {
  const std::vector<std::string> words = {"lr", "momentum", "max_steps", "max_epochs"};
  EXPECT_EQ(nearest("momentun", words), 1u);
  EXPECT_EQ(nearest("max_step", words), 2u);
  EXPECT_EQ(nearest("lt", words), 0u);
  EXPECT_EQ(nearest("seed", words), std::nullopt);
  EXPECT_EQ(nearest("x", words), std::nullopt);
  EXPECT_EQ(nearest("anything", {}), std::nullopt);
}

}  // namespace
}  // namespace holdfast
