// Runs the scenarios in testdata/*.txt: a cluster of cores in memory, driven by
// commands, with golden output and `expect` lines that name states.
//
//   bazel test //raft/core:scenario_test
//   bazel run //raft/core:scenario_test -- --rewrite   # then read the diff
//
// A file is a list of blocks: commands, a line `----`, their output, an empty
// line. Lines that begin with # are comments. Commands (n, a, b: nodes):
//   nodes N [learners=N] [seed=N] [KEY=BYTES…]
//   campaign n           n's election timeout passes, no other timer fires
//   tick n [MS]          MS pass, then n's timers that are due fire
//   advance MS           time passes, no timer fires
//   run MS               time passes; timers, disks and links do their work
//   propose n WORD       read n TAG        transfer n TO
//   hold n               n takes no part any more
//   change n VOTERS [LEARNERS]      n is to lead these, as in `change 1 1,2 3`
//   compact n [keep=N]   a snapshot of what n applied, keeping N entries
//   write n [N|all]      the oldest writes of n's disk become durable
//   snap n [N|all]       the oldest snapshot works of n are done
//   elect n VOTER…       n campaigns until it leads; only election messages
//                        between n and these voters are delivered
//   deliver a->b [N|all|last]       drop a->b [N|all]      drop all
//   copy a->b NAME [last]           keeps a message for `inject NAME`
//   cut a->b | cut a b | isolate n  messages sent from now on are lost
//   heal                 all links work again
//   crash n [written=N]  restart n
//   stabilize            all writes and messages complete, time stands still
//   status               log n              links
//   expect n KEY=VALUE…  role term leader commit last vote applied durable
//                        start (of the log) voters, reads=yes|no, state,
//                        members=VOTERS/OUTGOING/LEARNERS/NEXT_LEARNERS
//   expect read TAG pending|failed|INDEX
//   expect refused N     number of refused proposals so far
//   expect member n m KEY=VALUE…    m's state, match, next at leader n
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/testing/core_cluster.h"
#include "raft/core/testing/names.h"

namespace quorate::raft {
namespace {

using Words = std::vector<std::string>;

bool rewrite = false;
std::vector<std::string> files;

Words Split(const std::string& line) {
  std::istringstream in(line);
  Words words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

uint64_t Number(const std::string& word) { return std::stoull(word); }

std::string Text(uint64_t number) { return std::to_string(number); }

std::string PositionText(LogPosition position) {
  return Text(position.term.value()) + ":" + Text(position.index.value());
}

std::string EntryText(const Entry& entry) {
  std::string text = PositionText(entry.position());
  if (entry.kind == EntryKind::kNoop) return text + "-";
  if (entry.kind == EntryKind::kConfiguration) return text + "C";
  return text + "=" + std::string(entry.payload.view());
}

std::string MessageText(const Message& m) {
  std::string text(MessageTypeName(m.type));
  text += " t" + Text(m.term.value());
  switch (m.type) {
    case MessageType::kPreVote:
    case MessageType::kVote:
      text += " last " + PositionText(m.last_log) + (m.forced ? " forced" : "");
      break;
    case MessageType::kAppend:
      text += " after " + PositionText(m.previous);
      for (const Entry& entry : m.entries) text += " " + EntryText(entry);
      text += " commit " + Text(m.commit.value());
      break;
    case MessageType::kAppendReply:
      text += m.reject ? " reject, hint " + PositionText(m.hint)
                       : " received " + Text(m.received.value()) + " durable " +
                             Text(m.durable.value());
      break;
    case MessageType::kHeartbeat:
      text += " commit " + Text(m.commit.value());
      [[fallthrough]];
    case MessageType::kHeartbeatReply:
      text += " round " + Text(m.read_round.value());
      break;
    case MessageType::kSnapshotChunk:
      text += " " + PositionText(m.part->snapshot.position) + " offset " +
              Text(m.part->offset) + " bytes " + Text(m.part->chunk.size());
      break;
    case MessageType::kSnapshotReply:
      text += " " + PositionText(m.part->snapshot.position) + " offset " +
              Text(m.part->offset) + " staged " + Text(m.part->staged) +
              (m.reject ? " reject" : "");
      break;
    case MessageType::kPreVoteReply:
    case MessageType::kVoteReply:
      text += m.reject ? " reject" : " grant";
      break;
    case MessageType::kReadIndexReply:
      text += m.reject ? " reject" : " index " + Text(m.read_index.value());
      break;
    case MessageType::kReadIndex:
    case MessageType::kTimeoutNow:
      break;
  }
  return text;
}

// Executes commands and collects their output and failed expectations.
class Scenario {
 public:
  // The output of the command, line by line.
  std::string Execute(const std::string& line) {
    out_.str("");
    Words words = Split(line);
    const std::string verb = words[0];
    words.erase(words.begin());
    if (verb == "nodes") {
      Nodes(words);
    } else if (verb == "expect") {
      Expect(words);
    } else if (verb == "status" || verb == "log" || verb == "links") {
      Show(verb, words);
    } else if (!Drive(verb, words) && !Link(verb, words)) {
      Fail("unknown command: " + line);
    }
    if (cluster_ != nullptr) {
      for (const std::string& output : cluster_->TakeTrace()) {
        out_ << output << "\n";
      }
      if (!cluster_->violation().empty()) Fail(cluster_->violation());
    }
    return out_.str();
  }
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  void Fail(const std::string& why) { failures_.push_back(why); }

  void Nodes(const Words& words) {
    CoreCluster::Options options;
    options.voters = static_cast<uint32_t>(Number(words.at(0)));
    const std::map<std::string, size_t*> sizes = {
        {"append", &options.core.append_bytes_max},
        {"inflight", &options.core.inflight_bytes_max},
        {"uncommitted", &options.core.uncommitted_bytes_max},
        {"chunk", &options.core.snapshot_chunk_bytes}};
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      const std::string key = words[i].substr(0, equals);
      const uint64_t value = Number(words[i].substr(equals + 1));
      if (key == "learners") {
        options.learners = static_cast<uint32_t>(value);
      } else if (key == "seed") {
        options.seed = value;
      } else if (sizes.count(key) > 0) {
        *sizes.at(key) = value;
      } else {
        Fail("unknown option " + key);
      }
    }
    core_options_ = options.core;
    cluster_ = std::make_unique<CoreCluster>(options);
  }

  static uint32_t Id(const std::string& word) {
    return static_cast<uint32_t>(Number(word));
  }

  // The repeat count, from an optional last word.
  static size_t Count(const Words& words, size_t at) {
    if (words.size() <= at) return 1;
    return words[at] == "all" ? 1'000'000 : Number(words[at]);
  }

  static uint64_t Option(const Words& words, const std::string& key) {
    for (const std::string& word : words) {
      if (word.rfind(key + "=", 0) == 0) {
        return Number(word.substr(key.size() + 1));
      }
    }
    return 0;
  }

  bool Drive(const std::string& verb, const Words& words) {
    CoreCluster& c = *cluster_;
    if (verb == "stabilize") {
      if (!c.Stabilize()) Fail("does not come to rest");
    } else if (verb == "run") {
      c.Run(Milliseconds(static_cast<int64_t>(Number(words.at(0)))));
    } else if (verb == "advance") {
      c.Advance(Milliseconds(static_cast<int64_t>(Number(words.at(0)))));
    } else if (verb == "campaign") {
      c.Advance(core_options_.election_timeout_max);
      c.FireTimeout(Id(words.at(0)));
    } else if (verb == "tick") {
      if (words.size() > 1) {
        c.Advance(Milliseconds(static_cast<int64_t>(Number(words[1]))));
      }
      c.FireTimeout(Id(words.at(0)));
    } else if (verb == "propose") {
      c.Propose(Id(words.at(0)), words.at(1));
    } else if (verb == "read") {
      c.Read(Id(words.at(0)), Number(words.at(1)));
    } else if (verb == "transfer") {
      c.Step(Id(words.at(0)), TransferRequested{ReplicaId(Id(words.at(1)))});
    } else if (verb == "hold") {
      c.Step(Id(words.at(0)), HoldRequested());
    } else if (verb == "change") {
      Change(words);
    } else if (verb == "compact") {
      c.Compact(Id(words.at(0)), Option(words, "keep"));
    } else if (verb == "write") {
      for (size_t i = Count(words, 1); i > 0; --i) {
        if (!c.FinishWrite(Id(words.at(0)))) break;
      }
    } else if (verb == "snap") {
      for (size_t i = Count(words, 1); i > 0; --i) {
        if (!c.FinishWork(Id(words.at(0)))) break;
      }
    } else if (verb == "crash") {
      c.Crash(Id(words.at(0)), Option(words, "written"));
    } else if (verb == "restart") {
      c.Restart(Id(words.at(0)));
    } else {
      return false;
    }
    return true;
  }

  static std::vector<Member> ParseMembers(const std::string& list) {
    std::vector<Member> members;
    std::istringstream in(list);
    for (std::string id; std::getline(in, id, ',');) {
      members.push_back(CoreCluster::MemberOf(Id(id)));
    }
    return members;
  }

  static std::string MembersText(const std::vector<Member>& members) {
    std::string text;
    for (const Member& member : members) {
      text += (text.empty() ? "" : ",") + Text(member.replica.value());
    }
    return text;
  }

  void Change(const Words& words) {
    const uint32_t id = Id(words.at(0));
    const Core& core = cluster_->core(id);
    Configuration target = core.configuration();
    target.outgoing_voters.clear();
    target.next_learners.clear();
    target.voters = ParseMembers(words.at(1));
    target.learners = ParseMembers(words.size() > 2 ? words[2] : "");
    cluster_->Step(id,
                   ChangeConfiguration{0, core.configuration_index(), target});
  }

  bool Link(const std::string& verb, const Words& words) {
    CoreCluster& c = *cluster_;
    if (verb == "heal") {
      EachPair([&c](uint32_t a, uint32_t b) { c.Heal(a, b); });
      return true;
    }
    if (verb == "isolate") {
      const uint32_t id = Id(words.at(0));
      EachPair([&c, id](uint32_t a, uint32_t b) {
        if (a == id || b == id) c.Cut(a, b);
      });
      return true;
    }
    if (verb == "drop" && words.at(0) == "all") {
      EachPair([&c](uint32_t a, uint32_t b) { c.link(a, b).clear(); });
      return true;
    }
    if (verb == "elect") {
      Elect(words);
      return true;
    }
    if (verb == "inject") {
      const Message& message = kept_.at(words.at(0));
      c.Step(message.to.value(), MessageReceived{message});
      return true;
    }
    if (verb == "cut" && words.size() == 2) {
      c.Cut(Id(words[0]), Id(words[1]));
      c.Cut(Id(words[1]), Id(words[0]));
      return true;
    }
    const size_t arrow =
        words.empty() ? std::string::npos : words[0].find("->");
    if (arrow == std::string::npos) return false;
    const uint32_t from = Id(words[0].substr(0, arrow));
    const uint32_t to = Id(words[0].substr(arrow + 2));
    std::deque<Message>& link = c.link(from, to);
    if (verb == "cut") {
      c.Cut(from, to);
    } else if (verb == "copy") {
      if (link.empty()) {
        Fail("nothing to copy");
      } else {
        const bool last = words.size() > 2 && words[2] == "last";
        kept_[words.at(1)] = last ? link.back() : link.front();
      }
    } else if (verb == "drop") {
      for (size_t i = Count(words, 1); i > 0 && !link.empty(); --i) {
        link.pop_front();
      }
    } else if (verb == "deliver" && words.size() > 1 && words[1] == "last") {
      if (link.empty()) Fail("nothing to deliver");
      if (!link.empty()) c.Deliver(from, to, link.size() - 1);
    } else if (verb == "deliver") {
      // Replies to these messages are not delivered with them.
      const size_t count = std::min(Count(words, 1), link.size());
      if (count == 0) Fail("nothing to deliver");
      for (size_t i = 0; i < count; ++i) c.Deliver(from, to);
    } else {
      return false;
    }
    return true;
  }

  // Delivers election messages to the listed nodes and drops them elsewhere.
  void Elect(const Words& words) {
    CoreCluster& c = *cluster_;
    const uint32_t self = Id(words.at(0));
    for (int attempt = 0; attempt < 4; ++attempt) {
      c.Advance(core_options_.election_timeout_max);
      c.FireTimeout(self);
      for (int round = 0; round < 4; ++round) {
        for (const std::string& word : words) {
          while (c.FinishWrite(Id(word))) {
          }
        }
        for (size_t i = 1; i < words.size(); ++i) {
          DeliverVotes(self, Id(words[i]));
          DeliverVotes(Id(words[i]), self);
        }
      }
      if (c.core(self).role() == RoleKind::kLeader) break;
    }
    EachPair([&c](uint32_t a, uint32_t b) {
      std::erase_if(c.link(a, b), IsVoteMessage);
    });
    if (c.core(self).role() != RoleKind::kLeader) Fail("not elected");
  }

  static bool IsVoteMessage(const Message& message) {
    return message.type <= MessageType::kVoteReply;
  }

  void DeliverVotes(uint32_t from, uint32_t to) {
    std::deque<Message>& link = cluster_->link(from, to);
    for (size_t i = 0; i < link.size();) {
      if (!IsVoteMessage(link[i])) {
        ++i;
      } else {
        cluster_->Deliver(from, to, i);
      }
    }
  }

  template <typename Function>
  void EachPair(const Function& function) {
    for (uint32_t a = 1; a <= cluster_->size(); ++a) {
      for (uint32_t b = 1; b <= cluster_->size(); ++b) {
        if (a != b) function(a, b);
      }
    }
  }

  void Show(const std::string& verb, const Words& words) {
    if (verb == "links") {
      EachPair([this](uint32_t a, uint32_t b) {
        for (const Message& message : cluster_->link(a, b)) {
          out_ << a << "->" << b << " " << MessageText(message) << "\n";
        }
      });
      return;
    }
    for (uint32_t id = 1; id <= cluster_->size(); ++id) {
      if (!words.empty() && Id(words[0]) != id) continue;
      if (!cluster_->up(id)) {
        out_ << id << ": down\n";
        continue;
      }
      const Core& core = cluster_->core(id);
      out_ << id << ":";
      if (verb == "log") {
        out_ << " (" << PositionText(core.log_start()) << ")";
        for (Index i = core.log_start().index + 1; i <= core.last().index;
             ++i) {
          out_ << " " << EntryText(core.EntryAt(i));
        }
      } else {
        for (const char* key :
             {"role", "term", "vote", "leader", "last", "commit"}) {
          out_ << " " << key << "=" << Value(id, key);
        }
      }
      out_ << "\n";
    }
  }

  // A fact about a replica, by name.
  std::string Value(uint32_t id, const std::string& key) {
    if (!cluster_->up(id)) return key == "role" ? "down" : "?";
    const Core& core = cluster_->core(id);
    if (key == "role") return std::string(RoleName(core.role()));
    if (key == "term") return Text(core.term().value());
    if (key == "vote") return Text(core.voted_for().value());
    if (key == "leader") return Text(core.leader().value());
    if (key == "commit") return Text(core.commit_index().value());
    if (key == "applied") return Text(core.applied_index().value());
    if (key == "durable") return Text(core.durable_index().value());
    if (key == "last") return PositionText(core.last());
    if (key == "start") return PositionText(core.log_start());
    // Milliseconds.
    if (key == "log_time") {
      return std::to_string(core.EntryAt(core.last().index).log_time.ms());
    }
    if (key == "read_time") return std::to_string(core.read_log_time().ms());
    if (key == "reads") return core.CanServeReads() ? "yes" : "no";
    if (key == "voters") return Text(core.configuration().voters.size());
    if (key == "state") return cluster_->node(id).state;
    if (key == "members") {
      const Configuration& c = core.configuration();
      return MembersText(c.voters) + "/" + MembersText(c.outgoing_voters) +
             "/" + MembersText(c.learners) + "/" + MembersText(c.next_learners);
    }
    return "unknown key";
  }

  void Expect(const Words& words) {
    if (words.at(0) == "read") return ExpectRead(words);
    if (words.at(0) == "refused") {
      const std::string actual = Text(cluster_->refused().size());
      if (actual != words.at(1)) Fail("refused " + actual);
      return;
    }
    if (words.at(0) == "member") return ExpectMember(words);
    const uint32_t id = Id(words[0]);
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      const std::string key = words[i].substr(0, equals);
      const std::string actual = Value(id, key);
      if (actual != words[i].substr(equals + 1)) {
        Fail("node " + words[0] + ": expected " + words[i] + ", " + key +
             " is " + actual);
      }
    }
  }

  void ExpectRead(const Words& words) {
    const auto read = cluster_->reads().find(Number(words.at(1)));
    std::string actual = "unknown";
    if (read != cluster_->reads().end()) {
      const CoreCluster::ReadResult& result = read->second;
      actual = !result.done ? "pending"
               : result.ok  ? Text(result.index.value())
                            : "failed";
    }
    if (actual != words.at(2)) {
      Fail("expected read " + words[1] + " " + words[2] + ", it is " + actual);
    }
  }

  void ExpectMember(const Words& words) {
    for (const Core::FollowerStatus& status :
         cluster_->core(Id(words.at(1))).followers()) {
      if (status.replica.value() != Id(words.at(2))) continue;
      const std::map<std::string, std::string> actual = {
          {"state", std::string(status.state)},
          {"match", Text(status.match.value())},
          {"next", Text(status.next.value())}};
      for (size_t i = 3; i < words.size(); ++i) {
        const size_t equals = words[i].find('=');
        const std::string key = words[i].substr(0, equals);
        if (actual.count(key) == 0 ||
            actual.at(key) != words[i].substr(equals + 1)) {
          Fail("member " + words[2] + ": expected " + words[i] + ", it is " +
               (actual.count(key) == 0 ? "unknown" : actual.at(key)));
        }
      }
      return;
    }
    Fail("node " + words.at(1) + " knows no member " + words.at(2));
  }

  CoreOptions core_options_;
  std::unique_ptr<CoreCluster> cluster_;
  std::map<std::string, Message> kept_;
  std::ostringstream out_;
  std::vector<std::string> failures_;
};

// Replays the file; returns it with the actual output.
std::string Replay(std::istream& in, std::vector<std::string>* failures) {
  Scenario scenario;
  std::ostringstream actual;
  std::string output;
  bool golden = false;
  for (std::string line; std::getline(in, line);) {
    if (golden) {
      if (!line.empty()) continue;  // The actual output replaces it.
      golden = false;
    }
    actual << line << "\n";
    if (line.empty() || line[0] == '#') continue;
    if (line == "----") {
      actual << output;
      output.clear();
      golden = true;
      continue;
    }
    const size_t before = scenario.failures().size();
    output += scenario.Execute(line);
    for (size_t i = before; i < scenario.failures().size(); ++i) {
      failures->push_back(line + ": " + scenario.failures()[i]);
    }
  }
  return actual.str();
}

class ScenarioTest : public ::testing::TestWithParam<std::string> {};

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST_P(ScenarioTest, File_HasTheGoldenOutput) {
  const std::string golden = ReadAll(GetParam());
  ASSERT_FALSE(golden.empty()) << GetParam();
  std::istringstream in(golden);
  std::vector<std::string> failures;
  const std::string actual = Replay(in, &failures);
  for (const std::string& failure : failures) ADD_FAILURE() << failure;
  if (!rewrite) {
    EXPECT_EQ(actual, golden) << "bazel run //raft/core:scenario_test -- "
                                 "--rewrite, then read the diff";
    return;
  }
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  ASSERT_NE(workspace, nullptr) << "--rewrite works under `bazel run`";
  std::ofstream(std::string(workspace) + "/" + GetParam()) << actual;
}

std::string NameOf(const ::testing::TestParamInfo<std::string>& info) {
  const size_t slash = info.param.rfind('/');
  return info.param.substr(slash + 1, info.param.size() - slash - 5);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, ScenarioTest, ::testing::ValuesIn(files),
                         NameOf);

}  // namespace
}  // namespace quorate::raft

int main(int argc, char** argv) {
  using quorate::raft::files;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--rewrite") quorate::raft::rewrite = true;
    if (argument.ends_with(".txt")) files.push_back(argument);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
