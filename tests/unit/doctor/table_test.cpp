// The table and its JSON.
#include <gtest/gtest.h>

#include "launch/doctor/table.h"

namespace holdfast {
namespace {

const std::vector<HostFinding> kFindings = {
    {Level::ok, "clock", "the same"}, {Level::warning, "disk", "slow", "buy one"}, {Level::failure, "ports", "none", "open one"}};

TEST(FindingsTable, HasALineForEachFindingANextStepAndTheNumbers) {
  EXPECT_EQ(findings_table(kFindings, 2.25),
            "ok       clock          the same\n"
            "warning  disk           slow\n"
            "                        next: buy one\n"
            "failure  ports          none\n"
            "                        next: open one\n"
            "not fit to train on: 1 failure, 1 warning, 1 ok, 2.2 s\n");
}

TEST(FindingsTable, CallsHostsWithWarningsFit) {
  EXPECT_EQ(findings_table({kFindings[0]}, 1), "ok       clock          the same\nfit to train on: 0 failures, 0 warnings, 1 ok, 1.0 s\n");
}

TEST(FindingsTable, AsJsonHasTheWorstLevelAndWhatIsNotKnownIsNull) {
  Examination examination;
  examination.hosts = {{.name = "a"}};
  const nlohmann::json json = findings_json(kFindings, examination);
  EXPECT_EQ(json["verdict"], "failure");
  EXPECT_EQ(json["findings"][1]["next"], "buy one");
  EXPECT_TRUE(json["hosts"][0]["machine"].is_null());
}

}  // namespace
}  // namespace holdfast
