#include "launch/doctor/sharing.h"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast {
namespace {

using nlohmann::json;

constexpr double kStepSeconds = 2;  // for a system call or two
constexpr double kSeenSeconds = 2;  // until what one host has done is to be seen by the others

class Sharing {
 public:
  Sharing(HostLinks& links, const std::vector<int>& hosts, std::string text) : links_(links), text_(std::move(text)), taking_part_(hosts) {
    for (const int host : hosts) facts_[host];
  }

  /// What the answers were, of those that are still taking part. Whoever fails is out.
  std::map<int, json> step(const std::vector<int>& hosts, json question, double seconds = kStepSeconds) {
    const std::string what = question.at("ask");
    question["text"] = text_;
    const std::map<int, json> answers = links_.ask(hosts, std::move(question), seconds);
    for (const int host : hosts)
      if (!answers.contains(host))
        drop(host, fmt::format("did not answer within {:.0f} s when it was to {} there", seconds, in_words(what)));
      else if (answers.at(host).contains("error"))
        drop(host, answers.at(host)["error"]);
    return answers;
  }

  void look(const std::string& state) {
    const auto answers = step(taking_part_, {{"ask", "look"}, {"state", state}, {"hosts", taking_part_}, {"seconds", kSeenSeconds}},
                              kStepSeconds + kSeenSeconds);
    for (const auto& [host, answer] : answers) {
      SharingFacts& facts = facts_[host];
      facts.seconds = std::max(facts.seconds, answer.value("seconds", 0.0));
      facts.follows_links = facts.follows_links && answer.value("follows_links", true);
      if (const std::string problem = answer.value("problem", ""); !problem.empty())
        drop(host, fmt::format("{} by {}", problem, answer.value("made_by", 0) == host ? "itself" : "another host"));
    }
  }

  void lock(int holder) {
    if (!step({holder}, {{"ask", "lock"}})[holder].value("has_lock", false)) return;
    std::vector<int> others = taking_part_;
    std::erase(others, holder);
    for (const auto& [host, answer] : step(others, {{"ask", "lock"}})) facts_[host].has_lock = answer.value("has_lock", false);
  }

  bool has(int host) const { return std::find(taking_part_.begin(), taking_part_.end(), host) != taking_part_.end(); }
  const std::vector<int>& taking_part() const { return taking_part_; }
  std::map<int, SharingFacts> take() { return std::move(facts_); }

 private:
  static std::string in_words(const std::string& what) {
    if (what == "look") return "look for files";
    return what == "make_directory" ? "make a directory" : what + (what == "lock" ? "" : " a file");
  }
  void drop(int host, const std::string& why) {
    if (facts_[host].problem.empty()) facts_[host].problem = why;
    std::erase(taking_part_, host);
  }

  HostLinks& links_;
  std::string text_;
  std::vector<int> taking_part_;
  std::map<int, SharingFacts> facts_;
};

}  // namespace

std::map<int, SharingFacts> check_sharing(HostLinks& links, const std::vector<int>& hosts, const Path& directory, const std::string& text) {
  Sharing sharing(links, hosts, text);
  const int first = hosts.front();
  sharing.step({first}, {{"ask", "make_directory"}, {"directory", directory.string()}});
  if (!sharing.has(first)) return {{first, sharing.take().at(first)}};  // nobody else was asked
  for (const auto& [what, state] : {std::pair{"write", "written"}, {"rename", "renamed"}}) {
    sharing.step(sharing.taking_part(), {{"ask", what}});
    sharing.look(state);
  }
  if (sharing.has(first)) sharing.lock(first);
  sharing.step(sharing.taking_part(), {{"ask", "remove"}});
  sharing.look("removed");
  return sharing.take();
}

void remove_shared_directory(HostLinks& links, int host, const Path& directory) {
  links.ask({host}, {{"ask", "remove_directory"}, {"directory", directory.string()}}, kStepSeconds);
}

}  // namespace holdfast
