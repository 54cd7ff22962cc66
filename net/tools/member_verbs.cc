#include "net/tools/member_verbs.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "net/event_loop/clock.h"
#include "net/tools/admin_link.h"
#include "net/tools/change_operation.h"
#include "net/tools/tables/member_tables.h"

namespace quorate::net {
namespace {

using Json = nlohmann::ordered_json;

// Lines of an answer about single replicas.
constexpr size_t kStepsShown = 12;
// Removed nodes and ended moves are listed for so long.
constexpr Duration kShownFor = Seconds(3600);
// The controller notices within seconds that a node is silent.
constexpr Duration kKnowsWithin = Seconds(60);
constexpr useconds_t kPollMicroseconds = 200'000;

ControlAnswer Fail(std::string why, int exit_status = kControlFailed) {
  return {.error = std::move(why), .exit_status = exit_status};
}

AdminLink LinkTo(const VerbOptions& options) {
  return AdminLink(options.control, options.dry_run,
                   ChangeOperation(options.operation, options.command));
}

// One replica that is on its way: how much of it is there.
struct Transfer {
  double bytes = 0;
  double total = 0;
};

// Says how a wish gets on, from what the cluster reports every time.
class Progress {
 public:
  explicit Progress(const VerbOptions& options)
      : options_(options), began_(Clock::ReadMono()) {}
  ~Progress() { options_.progress(""); }

  // `what` is the state of the wish. `moves`: rows with group, from, node,
  // bytes and bytes_total.
  void Show(const std::string& what, const Json& moves,
            const std::string& problem) {
    Transfer sum;
    std::string line = what;
    for (const Json& move : moves) {
      const double bytes = move.value("bytes", 0.0);
      const double total = move.value("bytes_total", 0.0);
      sum.bytes += bytes;
      sum.total += total;
      absl::StrAppend(&line, "; group ", TextOf(move["group"]), " from node ",
                      TextOf(move["from"]), " to node ", TextOf(move["node"]));
      if (total > 0) {
        absl::StrAppend(&line, ", ", BytesText(bytes), " of ",
                        BytesText(total));
      }
      if (const Json brake = move.value("held_back_by", Json());
          brake.is_string()) {
        absl::StrAppend(&line, ", held back by ", TextOf(brake));
      }
    }
    AppendRate(sum, &line);
    if (!problem.empty() && what.find(problem) == what.npos) {
      // Most reasons begin so, or "group 3: waits for".
      const bool says_so = problem.find("waits ") != problem.npos;
      absl::StrAppend(&line, says_so ? "; " : "; waits: ", problem);
    }
    options_.progress(line);
  }

 private:
  void AppendRate(const Transfer& sum, std::string* line) {
    const MonoTime now = Clock::ReadMono();
    const double seconds = static_cast<double>((now - began_).ms()) / 1000;
    if (!first_.has_value() || sum.bytes < *first_) {
      first_ = sum.bytes;
      began_ = now;
      return;
    }
    const double rate = seconds > 0 ? (sum.bytes - *first_) / seconds : 0;
    if (rate <= 0) return;
    absl::StrAppend(line, ", ", BytesText(rate), "/s, ",
                    static_cast<int64_t>((sum.total - sum.bytes) / rate + 0.5),
                    " s left");
  }

  const VerbOptions& options_;
  MonoTime began_;
  std::optional<double> first_;
};

// How far a wish is.
struct Look {
  bool done = false;
  std::string what = {};  // For people.
  // The state that another wish wants. Empty: this one stands.
  std::string undone = {};
};

ControlAnswer Interrupted(std::string_view look_with,
                          const std::string& operation) {
  ControlAnswer answer =
      Fail(absl::StrCat("the wish stands, and the cluster goes on with "
                        "it; look at it with: quoratectl ",
                        std::string(look_with)),
           kControlInterrupted);
  answer.operation = operation;
  return answer;
}

// Looks at the row of `target` every time, until the wish is done or stands no
// longer. The wait goes on with another node if the asked one does not answer,
// and also while none answers. `gone` is not empty if the wish is done once
// there is no such row.
template <typename LookAt>
ControlAnswer Await(const VerbOptions& options, AdminLink& admin,
                    const std::string& target, std::string_view look_with,
                    LookAt look_at, ControlAnswer answer,
                    const std::string& gone = "") {
  if (!options.wait || options.dry_run) return answer;
  if (!options.control.json) options.say(std::exchange(answer.out, ""));
  Progress progress(options);
  admin.LearnNodes();
  while (true) {
    if (options.interrupted()) return Interrupted(look_with, admin.operation());
    Json row;
    const std::optional<ControlAnswer> failed = admin.Get(target, &row);
    if (admin.status() == 404 && !gone.empty()) {
      if (!options.control.json) answer.out = gone + "\n";
      return answer;
    }
    if (failed.has_value() &&
        (admin.status() == 404 || admin.removed().has_value())) {
      return *failed;
    }
    if (failed.has_value()) {
      progress.Show(failed->error, Json::array(), "");
    } else {
      const Look look = look_at(row);
      if (look.done) {
        if (!options.control.json) answer.out = look.what + "\n";
        return answer;
      }
      if (!look.undone.empty()) {
        return Fail(look.undone + ": another wish has taken the place of this");
      }
      const Json problem = row.value("problem", Json());
      progress.Show(look.what, row.value("moves", Json::array()),
                    problem.is_string() ? problem.get<std::string>() : "");
    }
    usleep(kPollMicroseconds);
  }
}

// A change that the controller takes as soon as it knows that nodes are silent.
// Until then it cannot know that their replicas are lost.
std::optional<ControlAnswer> ChangeOnceKnown(const VerbOptions& options,
                                             AdminLink& admin,
                                             const std::string& target,
                                             const Json& body, Json* answer) {
  const MonoTime limit = Clock::ReadMono() + kKnowsWithin;
  Progress progress(options);
  while (true) {
    auto failed = admin.ChangeWithoutName(target, body, answer);
    if (!failed.has_value() || admin.code() != "NOT_YET" || !options.wait ||
        Clock::ReadMono() > limit) {
      return failed;
    }
    if (options.interrupted()) {
      failed->exit_status = kControlInterrupted;
      return failed;
    }
    progress.Show(failed->error, Json::array(), "");
    usleep(kPollMicroseconds);
  }
}

Json SettingsJson(const NodeSettings& settings) {
  Json body = Json::object();
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) body[name] = value;
  };
  add("name", settings.name);
  add("zone", settings.zone);
  add("host", settings.host);
  add("role", settings.role);
  if (settings.weight.has_value()) body["weight"] = *settings.weight;
  return body;
}

Json SettingsJson(const GroupSettings& settings) {
  Json body = Json::object();
  if (settings.replicas.has_value()) body["replicas"] = *settings.replicas;
  if (settings.weight.has_value()) body["weight"] = *settings.weight;
  return body;
}

// The text of a change's answer, and its steps.
ControlAnswer Done(const VerbOptions& options, const Json& answer) {
  if (options.control.json) return {.out = JsonLine(answer)};
  std::string out = FinishesText(answer);
  const std::string text = answer.value("text", "");
  if (!text.empty()) absl::StrAppend(&out, text, "\n");
  const Json steps = answer.value("steps", Json::array());
  for (size_t i = 0; i < std::min(steps.size(), kStepsShown); ++i) {
    absl::StrAppend(&out, "  ", TextOf(steps[i]), "\n");
  }
  if (steps.size() > kStepsShown) {
    absl::StrAppend(&out, "  and more; --json names them\n");
  }
  return {.out = out};
}

// A wish that is told, and not waited for.
ControlAnswer ChangeAndTell(const VerbOptions& options, std::string_view method,
                            const std::string& target, const Json& body) {
  AdminLink admin = LinkTo(options);
  Json answer;
  if (auto failed = admin.Change(method, target, body, &answer)) return *failed;
  return Done(options, answer);
}

// The command that starts a node, from the answer of `node add` or `replace`.
ControlAnswer DoneWithCommand(const VerbOptions& options, const Json& answer,
                              std::string_view what) {
  if (options.dry_run || options.control.json) return Done(options, answer);
  std::vector<std::string> words;
  for (const Json& word : answer.value("command", Json::array())) {
    words.push_back(TextOf(word));
  }
  const bool placed =
      std::find(words.begin(), words.end(), "--resp") != words.end();
  return {.out = absl::StrCat(
              FinishesText(answer), "node ", TextOf(answer["id"]), ": ",
              std::string(what), "\n\n  ", absl::StrJoin(words, " "),
              " --data-dir DIR",
              placed ? ""
                     : " --resp HOST:PORT --cluster HOST:PORT "
                       "--http HOST:PORT --peer HOST:PORT",
              "\n\nor with --config FILE in place of the directory and the ",
              "addresses. The token admits one store.\n")};
}

std::string NodeTarget(uint32_t node) {
  return absl::StrCat("/v1/nodes/", node);
}
std::string GroupTarget(uint32_t group) {
  return absl::StrCat("/v1/groups/", group);
}

// Done once no replica is left on the node.
Look HoldsNone(const Json& row) {
  const int replicas = row.value("replicas", 0);
  const std::string node = absl::StrCat("node ", TextOf(row["id"]));
  Look look{.done = replicas == 0 && row.value("leaders", 0) == 0,
            .what = absl::StrCat(node, " holds ",
                                 replicas == 0 ? "no" : TextOf(replicas),
                                 replicas == 1 ? " replica" : " replicas")};
  const std::string state = row.value("state", "");
  if (state == "up" || state == "down" || state == "joining") {
    look.undone = node + " does not drain";
  }
  return look;
}

// Takes rows out whose end, in `ended`, was long ago, unless all are asked for.
// Returns a line about them, or nothing.
std::string HideOld(const VerbOptions& options, const char* ended, Json* rows) {
  if (options.all || !rows->is_array()) return "";
  const int64_t since = std::chrono::duration_cast<std::chrono::milliseconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count() -
                        kShownFor.ms();
  Json shown = Json::array();
  for (const Json& row : *rows) {
    const Json at = row.value(ended, Json());
    if (!at.is_number() || at.get<int64_t>() > since) shown.push_back(row);
  }
  const size_t hidden = rows->size() - shown.size();
  *rows = std::move(shown);
  if (hidden == 0) return "";
  return absl::StrCat("\nolder ones are left out: ", hidden,
                      "; --all shows them\n");
}

// A line for each replica that is left, and for each voter that is not.
std::string SurvivorsText(const Json& answer) {
  std::vector<std::vector<std::string>> rows = {
      {"NODE", "LAST TERM", "LAST INDEX", "COMMITTED", "GENERATION", "WORKS",
       "VOTER"}};
  std::vector<Json> answered;
  for (const Json& survivor : answer.value("survivors", Json::array())) {
    std::vector<std::string> row;
    for (const char* const name :
         {"node", "last_term", "last_index", "commit_index", "generation"}) {
      row.push_back(TextOf(survivor.value(name, Json())));
    }
    const bool works = survivor.value("works", false);
    const bool held = works && survivor.value("held", false);
    row.push_back(held ? "held" : works ? "yes" : "no");
    row.push_back(survivor.value("voter", false) ? "yes" : "no");
    rows.push_back(std::move(row));
    answered.push_back(survivor.value("node", Json()));
  }
  for (const Json& node : answer.value("lost", Json::array())) {
    if (std::count(answered.begin(), answered.end(), node) > 0) continue;
    rows.push_back({TextOf(node), "-", "-", "-", "-", "no answer", "yes"});
  }
  return FormatTable(rows);
}

// A wish that makes moves. Waits for them one after the other.
ControlAnswer ChangeAndAwaitMoves(const VerbOptions& options,
                                  const std::string& target, const Json& body) {
  AdminLink admin = LinkTo(options);
  Json answer;
  if (auto failed = admin.Change("POST", target, body, &answer)) return *failed;
  ControlAnswer done = Done(options, answer);
  for (const Json& move : answer.value("moves", Json::array())) {
    const auto id = move.get<uint32_t>();
    std::string end;
    done = Await(
        options, admin, absl::StrCat("/v1/moves/", id),
        absl::StrCat("slots status ", id),
        [&end](const Json& row) {
          const std::string phase = row.value("phase", "");
          Look look;
          look.what = absl::StrCat(
              "move ", TextOf(row["id"]), ": ", phase, ", ",
              TextOf(row["slots_done"]), " of ", TextOf(row["slot_count"]),
              row.value("slot_count", 0) == 1 ? " slot, " : " slots, ",
              BytesText(row.value("bytes_done", 0.0)), " of ",
              BytesText(row.value("bytes_total", 0.0)));
          if (row.value("bytes_per_second", 0.0) > 0) {
            absl::StrAppend(&look.what, ", ",
                            BytesText(row.value("bytes_per_second", 0.0)),
                            "/s");
          }
          if (const Json left = row.value("seconds_left", Json());
              !left.is_null()) {
            absl::StrAppend(&look.what, ", ", TextOf(left), " s left");
          }
          if (row.value("held_requests", 0) > 0) {
            absl::StrAppend(&look.what, ", ", TextOf(row["held_requests"]),
                            " requests were held, at most ",
                            TextOf(row["longest_pause_ms"]), " ms");
          }
          // Until then the slots can be in no other move.
          if (phase == "cancelled") end = phase;
          look.done = phase == "done" || !end.empty();
          return look;
        },
        std::move(done));
    if (done.exit_status != 0) return done;
    if (!end.empty()) {
      return Fail(absl::StrCat("move ", id,
                               " was cancelled; look at it with: quoratectl "
                               "slots status ",
                               id));
    }
  }
  return done;
}

}  // namespace

ControlAnswer ListNodes(const VerbOptions& options) {
  AdminLink admin = LinkTo(options);
  Json answer;
  if (auto failed = admin.Get("/v1/nodes", &answer)) return *failed;
  const std::string hidden = HideOld(options, "removed_ms", &answer["nodes"]);
  if (options.control.json) return {.out = JsonLine(answer)};
  return {.out = NodesText(answer) + hidden,
          .error = answer.value("outdated", "")};
}

ControlAnswer AddNode(const VerbOptions& options,
                      const NodeSettings& settings) {
  AdminLink admin = LinkTo(options);
  Json answer;
  if (auto failed =
          admin.Change("POST", "/v1/nodes", SettingsJson(settings), &answer)) {
    return *failed;
  }
  return DoneWithCommand(options, answer,
                         "start it on its machine, in an empty directory:");
}

ControlAnswer ReplaceNode(const VerbOptions& options, uint32_t node,
                          bool even_if_up) {
  AdminLink admin = LinkTo(options);
  Json answer;
  if (auto failed = admin.Change("POST", NodeTarget(node) + "/replace",
                                 {{"even_if_up", even_if_up}}, &answer)) {
    return *failed;
  }
  return DoneWithCommand(options, answer,
                         "start it again, in an empty directory:");
}

ControlAnswer ChangeNode(const VerbOptions& options, const std::string& verb,
                         uint32_t node) {
  AdminLink admin = LinkTo(options);
  Json answer;
  const std::string target = NodeTarget(node);
  if (auto failed =
          admin.Change("POST", target + "/" + verb, Json(), &answer)) {
    return *failed;
  }
  if (verb != "drain") return Done(options, answer);
  return Await(options, admin, target, "node list", HoldsNone,
               Done(options, answer));
}

ControlAnswer RemoveNode(const VerbOptions& options, uint32_t node, bool lost) {
  AdminLink admin = LinkTo(options);
  Json answer;
  const std::string target = NodeTarget(node);
  if (auto failed =
          admin.Change("POST", target + "/remove", {{"lost", lost}}, &answer)) {
    return *failed;
  }
  const std::string gone = absl::StrCat("node ", node, " is removed");
  ControlAnswer done = Done(options, answer);
  // It had no replicas, or was removed already.
  if (answer.value("text", "") == gone) return done;
  ControlAnswer end = Await(
      options, admin, target, "node list",
      [&gone](const Json& row) {
        Look look = HoldsNone(row);
        look.done = row.value("state", "") == "removed";
        if (look.done) look.what = gone;
        return look;
      },
      done);
  // The node itself was asked, and is the first to know.
  if (admin.removed() != node) return end;
  if (options.control.json) return done;
  return {.out = gone + "\n"};
}

ControlAnswer SetNode(const VerbOptions& options, uint32_t node,
                      const NodeSettings& settings) {
  return ChangeAndTell(options, "PATCH", NodeTarget(node),
                       SettingsJson(settings));
}

ControlAnswer ListGroups(const VerbOptions& options) {
  AdminLink admin = LinkTo(options);
  Json answer;
  if (auto failed = admin.Get("/v1/groups", &answer)) return *failed;
  if (options.control.json) return {.out = JsonLine(answer)};
  return {.out = GroupsText(answer.value("groups", Json::array())),
          .error = answer.value("outdated", "")};
}

ControlAnswer ShowGroup(const VerbOptions& options, uint32_t group) {
  AdminLink admin = LinkTo(options);
  Json answer;
  if (auto failed = admin.Get(GroupTarget(group), &answer)) return *failed;
  if (options.control.json) return {.out = JsonLine(answer)};
  return {.out = GroupsText(Json::array({answer}))};
}

ControlAnswer CreateGroups(const VerbOptions& options, uint32_t count,
                           const GroupSettings& settings) {
  AdminLink admin = LinkTo(options);
  Json answer;
  Json body = SettingsJson(settings);
  body["count"] = count;
  if (auto failed = admin.Change("POST", "/v1/groups", body, &answer)) {
    return *failed;
  }
  ControlAnswer done = Done(options, answer);
  for (const Json& group : answer.value("groups", Json::array())) {
    done = Await(
        options, admin, GroupTarget(group.get<uint32_t>()), "group list",
        [](const Json& row) {
          const Json leader = row.value("leader", Json());
          return Look{
              .done = !leader.is_null(),
              .what = absl::StrCat(
                  "group ", TextOf(row["id"]),
                  leader.is_null() ? " is being made"
                                   : " serves, led by node " + TextOf(leader))};
        },
        std::move(done));
    if (done.exit_status != 0) return done;
  }
  return done;
}

ControlAnswer SetGroup(const VerbOptions& options, uint32_t group,
                       const GroupSettings& settings) {
  AdminLink admin = LinkTo(options);
  Json answer;
  const std::string target = GroupTarget(group);
  if (auto failed =
          admin.Change("PATCH", target, SettingsJson(settings), &answer)) {
    return *failed;
  }
  if (!settings.replicas.has_value()) return Done(options, answer);
  return Await(
      options, admin, target, absl::StrCat("group show ", group),
      [replicas = *settings.replicas](const Json& row) {
        const std::string name = absl::StrCat("group ", TextOf(row["id"]));
        Look look{
            .done = false,
            .what = absl::StrCat(name, " has voters ", TextOf(row["voters"]),
                                 ", wanted ", TextOf(row["wanted"]))};
        const uint32_t wanted = row.value("replicas", 0u);
        look.done = wanted == replicas && row.value("settled", false);
        if (wanted != replicas) {
          look.undone = absl::StrCat(name, " shall have ", wanted, " replicas");
        }
        return look;
      },
      Done(options, answer));
}

ControlAnswer TransferGroup(const VerbOptions& options, uint32_t group,
                            uint32_t node) {
  AdminLink admin = LinkTo(options);
  Json answer;
  const std::string target = GroupTarget(group);
  if (auto failed = admin.Change("POST", target + "/transfer", {{"node", node}},
                                 &answer)) {
    return *failed;
  }
  return Await(
      options, admin, target, absl::StrCat("group show ", group),
      [node](const Json& row) {
        const std::string name = absl::StrCat("group ", TextOf(row["id"]));
        Look look{.done = row.value("leader", Json()) == Json(node),
                  .what = absl::StrCat(name, " is led by node ",
                                       TextOf(row["leader"]))};
        const Json preferred = row.value("preferred", Json());
        if (preferred != Json(node)) {
          look.undone =
              absl::StrCat("node ", TextOf(preferred), " shall lead ", name);
        }
        return look;
      },
      Done(options, answer));
}

ControlAnswer RecoverGroup(const VerbOptions& options, uint32_t group,
                           bool accept_loss) {
  AdminLink admin(options.control, options.dry_run, ChangeOperation());
  const std::string target = GroupTarget(group);
  Json survivors;
  if (auto failed = admin.Get(target + "/survivors", &survivors)) {
    // As every change of a group that is not there.
    if (admin.status() == 404) failed->exit_status = kControlRefused;
    return *failed;
  }
  Json answer;
  auto failed = ChangeOnceKnown(options, admin, target + "/recover",
                                {{"accept_loss", accept_loss}}, &answer);
  const bool json = options.control.json;
  if (failed.has_value()) {
    if (json) survivors["error"] = ErrorJson(*failed);
    failed->out = json ? JsonLine(survivors) : SurvivorsText(survivors);
    return *failed;
  }
  ControlAnswer done = Done(options, answer);
  if (!json) {
    done.out = absl::StrCat(SurvivorsText(survivors), "\n",
                            survivors.value("text", ""), "\n", done.out);
  }
  return Await(
      options, admin, target, absl::StrCat("group show ", group),
      [](const Json& row) {
        const Json leader = row.value("leader", Json());
        // It says whether the chosen node answers.
        const Json problem = row.value("problem", Json());
        const bool goes_on = row.value("recovering", Json()).is_null();
        // One that led before may be reported yet.
        const bool done =
            goes_on && !leader.is_null() && row.value("leader_answers", true);
        std::string what = problem.is_string() ? problem : "is being recovered";
        if (goes_on) what = "elects a leader";
        if (done) what = "goes on, led by node " + TextOf(leader);
        return Look{
            .done = done,
            .what = absl::StrCat("group ", TextOf(row["id"]), " ", what)};
      },
      std::move(done));
}

ControlAnswer RetireGroup(const VerbOptions& options, uint32_t group) {
  const std::string target = GroupTarget(group);
  ControlAnswer moved =
      ChangeAndAwaitMoves(options, target + "/retire", Json());
  if (moved.exit_status != 0) return moved;
  AdminLink admin = LinkTo(options);
  return Await(
      options, admin, target, "group list",
      [](const Json& row) {
        const std::string name = absl::StrCat("group ", TextOf(row["id"]));
        Look look{.what = name + " is being retired"};
        if (!row.value("retiring", false)) look.undone = name + " stays";
        return look;
      },
      std::move(moved), absl::StrCat("group ", group, " has ended"));
}

ControlAnswer ListSlots(const VerbOptions& options, uint32_t group) {
  AdminLink admin = LinkTo(options);
  Json answer;
  if (auto failed = admin.Get("/v1/slots", &answer)) return *failed;
  if (Json found; group != 0) {
    if (auto failed = admin.Get(GroupTarget(group), &found)) return *failed;
  }
  Json shown = Json::array();
  for (const Json& run : answer.value("slots", Json::array())) {
    if (group == 0 || run.value("group", 0u) == group) shown.push_back(run);
  }
  answer["slots"] = shown;
  if (options.control.json) return {.out = JsonLine(answer)};
  std::vector<std::vector<std::string>> rows = {
      {"FIRST", "LAST", "GROUP", "EPOCH"}};
  for (const Json& run : shown) {
    rows.push_back({TextOf(run["first"]), TextOf(run["last"]),
                    TextOf(run["group"]), TextOf(run["epoch"])});
  }
  return {.out = FormatTable(rows), .error = answer.value("outdated", "")};
}

ControlAnswer MoveSlots(const VerbOptions& options, const SlotsToMove& slots) {
  Json body = {{"to", slots.to}};
  if (!slots.slots.empty()) body["slots"] = slots.slots;
  if (slots.from > 0) body["from"] = slots.from;
  if (slots.count > 0) body["count"] = slots.count;
  if (slots.bytes_per_second > 0) {
    body["bytes_per_second"] = slots.bytes_per_second;
  }
  return ChangeAndAwaitMoves(options, "/v1/moves", body);
}

ControlAnswer ShowMoves(const VerbOptions& options, uint32_t move) {
  AdminLink admin = LinkTo(options);
  Json answer;
  if (move != 0) {
    if (auto failed = admin.Get(absl::StrCat("/v1/moves/", move), &answer))
      return *failed;
    if (options.control.json) return {.out = JsonLine(answer)};
    return {.out = MovesText(Json::array({answer}))};
  }
  if (auto failed = admin.Get("/v1/moves", &answer)) return *failed;
  const std::string hidden = HideOld(options, "ended_ms", &answer["moves"]);
  if (options.control.json) return {.out = JsonLine(answer)};
  return {.out = MovesText(answer["moves"]) + hidden,
          .error = answer.value("outdated", "")};
}

ControlAnswer ChangeMove(const VerbOptions& options, const std::string& verb,
                         uint32_t move) {
  return ChangeAndTell(options, "POST",
                       absl::StrCat("/v1/moves/", move) + "/" + verb, Json());
}

ControlAnswer Rebalance(const VerbOptions& options) {
  return ChangeAndAwaitMoves(options, "/v1/rebalance", Json());
}

ControlAnswer ShowRepair(const VerbOptions& options) {
  AdminLink admin = LinkTo(options);
  Json answer;
  if (auto failed = admin.Get("/v1/repair", &answer)) return *failed;
  if (options.control.json) return {.out = JsonLine(answer)};
  const Json after = answer.value("after_ms", Json());
  std::string out = after.is_null()
                        ? "replicas of dead nodes are not rebuilt elsewhere\n"
                        : absl::StrCat("replicas of a node that is silent for ",
                                       after.get<int64_t>() / 1000,
                                       " s are rebuilt elsewhere\n");
  for (const Json& line : answer.value("now", Json::array())) {
    absl::StrAppend(&out, TextOf(line), "\n");
  }
  return {.out = out};
}

ControlAnswer SetRepair(const VerbOptions& options,
                        std::optional<Duration> after) {
  Json body = {{"after_ms", Json()}};
  if (after.has_value()) body["after_ms"] = after->ms();
  return ChangeAndTell(options, "PUT", "/v1/repair", body);
}

}  // namespace quorate::net
