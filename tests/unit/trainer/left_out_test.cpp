#include "trainer/bad_numbers/left_out.h"

#include <gmock/gmock.h>

#include <fstream>

#include "../engine/faulty_file_system.h"
#include "base/error.h"
#include "tests/unit/base/temporary_directory.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class List : public testing::Test {
 protected:
  LeftOut list() { return {*ranks_, *files_, file_}; }
  /// What a later attempt finds.
  LeftOut begun(std::optional<int> oldest_attempt = 0, const std::vector<SampleRange>& of_state = {}) {
    LeftOut found = list();
    found.read();
    found.begin(oldest_attempt, of_state);
    return found;
  }
  void write(const std::string& text) const { std::ofstream(file_) << text; }
  const TemporaryDirectory directory_;
  const Path file_ = directory_.path() / "left-out.json";
  std::unique_ptr<Communicator> ranks_ = make_local_communicator();
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
};

TEST_F(List, IsThereAgainInTheNextAttempt) {
  LeftOut first = begun();
  EXPECT_TRUE(first.empty());
  first.add({.samples = {64, 96}, .step = 3, .rank = 1, .cause = "bad", .is_rollback = true});
  first.add({.samples = {32, 64}, .step = 2});
  const LeftOut second = begun();
  EXPECT_EQ(second.rollbacks(), 1);
  EXPECT_EQ(second.at(31), std::nullopt);
  EXPECT_EQ(second.at(32), (SampleRange{32, 64}));
  EXPECT_EQ(second.at(95), (SampleRange{64, 96}));
  EXPECT_EQ(second.at(96), std::nullopt);
}

TEST_F(List, TellsWhatLiesBehindInTheOrderOfTheData) {
  LeftOut list = begun();
  list.add({.samples = {64, 96}});
  list.add({.samples = {0, 32}});
  EXPECT_THAT(list.before(95), ElementsAre(SampleRange{0, 32}));
  EXPECT_THAT(list.before(96), ElementsAre(SampleRange{0, 32}, SampleRange{64, 96}));
}

TEST_F(List, HasSomethingBehindWhenItsFirstRangeIsOver) {
  LeftOut list = begun();
  EXPECT_FALSE(list.has_before(1000));
  list.add({.samples = {64, 96}});
  EXPECT_FALSE(list.has_before(95));
  EXPECT_TRUE(list.has_before(96));
}

TEST_F(List, ThatIsReadAloneChangesNothing) {
  begun().add({.samples = {64, 96}});
  list().read();
  EXPECT_EQ(begun().size(), 1u);
}

TEST_F(List, ThatCannotBeReadIsAnErrorOfStorage) {
  write("{}");
  OperationRecord record(Fault{.rank = 0, .operation = 1, .kind = Fault::Kind::fails});  // 0: what is there
  FaultyFileSystem failing(*files_, record, 0);
  EXPECT_THROW(LeftOut(*ranks_, failing, file_).read(), StorageError);
}

TEST_F(List, HasWhatTheStateKnowsToo) {
  begun().add({.samples = {64, 96}});
  EXPECT_THAT(begun(0, {{0, 32}, {64, 96}}).before(1000), ElementsAre(SampleRange{0, 32}, SampleRange{64, 96}));
}

TEST_F(List, OfAnotherRunIsNotTakenAndGoes) {
  begun().add({.samples = {64, 96}});
  EXPECT_TRUE(begun(std::nullopt).empty());
  EXPECT_TRUE(begun().empty()) << "the file is gone";
}

TEST_F(List, OfAnOlderRunIsNotTakenByTheRestartOfANewOne) {
  LeftOut list = begun();
  list.add({.samples = {64, 96}, .attempt = 2});
  list.add({.samples = {0, 32}, .attempt = 3});
  EXPECT_THAT(begun(3).before(1000), ElementsAre(SampleRange{0, 32}));
}

TEST_F(List, CanBeWrittenByHand) {
  write(R"({"left_out": [{"samples": [16, 32]}]})");
  EXPECT_EQ(begun().at(16), (SampleRange{16, 32}));
}

TEST_F(List, ThatIsNoneIsRefusedByName) {
  for (const char* text :
       {"{", "[]", R"({"left_out": 1})", R"({"left_out": [{"samples": [32, 16]}]})", R"({"left_out": [{"samples": [1.5, 16]}]})"}) {
    write(text);
    try {
      begun();
      FAIL() << text;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr(file_.string()));
    }
  }
}

}  // namespace
}  // namespace holdfast
