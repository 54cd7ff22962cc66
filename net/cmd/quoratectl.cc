// quoratectl: shows and changes a running cluster, and reads and writes keys.
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "env/parse_duration.h"
#include "env/program/program.h"
#include "net/event_loop/clock.h"
#include "net/event_loop/stop_signals.h"
#include "net/import/import_verb.h"
#include "net/real_env.h"
#include "net/tls/certs_verb.h"
#include "net/tls/tls_context.h"
#include "net/tools/control.h"
#include "net/tools/member_verbs.h"

namespace quorate::net {
namespace {

volatile sig_atomic_t interrupted = 0;

// A file or a pipe gets a line of progress this often.
constexpr Duration kLineEvery = Seconds(5);

void Say(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

void ShowProgressInLines(const std::string& line) {
  static std::string shown;
  static MonoTime next;
  const MonoTime now = Clock::ReadMono();
  if (line.empty() || line == shown || now < next) return;
  std::fprintf(stderr, "%s\n", line.c_str());
  shown = line;
  next = now + kLineEvery;
}

// The line of a wish's progress on a terminal, in place of the one before.
void ShowProgress(const std::string& line) {
  static size_t shown = 0;
  if (isatty(STDERR_FILENO) == 0) return ShowProgressInLines(line);
  if (line.empty() && shown == 0) return;
  const size_t blank = shown > line.size() ? shown - line.size() : 0;
  std::fprintf(stderr, "\r%s%*s%s", line.c_str(), static_cast<int>(blank), "",
               line.empty() ? "\r" : "");
  std::fflush(stderr);
  shown = line.size();
}

using Run = std::function<ControlAnswer(const VerbOptions&)>;

// Adds a subcommand. `chosen` becomes `run` if it is the one that was given.
CLI::App* AddVerb(CLI::App* app, Run* chosen, const char* name,
                  const char* description, Run run) {
  CLI::App* const verb = app->add_subcommand(name, description);
  verb->callback([chosen, run = std::move(run)] { *chosen = run; });
  return verb;
}

// The subcommands with their arguments. `run` becomes the one that was given.
class Verbs {
 public:
  Verbs(CLI::App* app, Run* run) : run_(run) {
    AddNodeVerbs(app->add_subcommand("node", "List and change nodes"));
    AddGroupVerbs(app->add_subcommand("group", "List and change groups"));
    AddRepairVerbs(
        app->add_subcommand("repair", "Rebuilding replicas of dead nodes"));
    AddSlotVerbs(app->add_subcommand("slots", "List and move slots"));
    Add(app, "rebalance",
        "Move slots until each group owns its share by weight", Rebalance);
    CLI::App* const recover =
        Add(app, "recover", "Let a group whose majority is lost for good go on",
            [this](const VerbOptions& options) {
              return RecoverGroup(options, id_, accept_loss_);
            });
    recover->add_option("group", id_)->required();
    recover->add_flag("--accept-loss", accept_loss_,
                      "Without it: show who is left, and change nothing");
    Add(app, "debug", "Show the state of the asked node, as JSON",
        [this](const VerbOptions& options) {
          return ShowDebug(options, page_);
        })
        ->add_option("page", page_)
        ->required()
        ->check(CLI::IsMember({"orders", "moves", "rooms", "timers"}));
  }

 private:
  CLI::App* Add(CLI::App* app, const char* name, const char* description,
                Run run) {
    return AddVerb(app, run_, name, description, std::move(run));
  }

  void AddNodeVerbs(CLI::App* node) {
    node->require_subcommand(1);
    Add(node, "list", "All nodes", ListNodes);
    CLI::App* const add =
        Add(node, "add", "Register a node; prints the command that starts it",
            [this](const VerbOptions& options) {
              return AddNode(options, settings_);
            });
    AddSettings(add);
    add->add_option("--role", settings_.role, "data, read-only or router");
    for (const auto& [verb, description] :
         {std::pair("drain", "Move all replicas away"),
          {"undrain", "Take replicas again"}}) {
      Add(node, verb, description,
          [this, verb = verb](const VerbOptions& options) {
            return ChangeNode(options, verb, id_);
          })
          ->add_option("id", id_)
          ->required();
    }
    CLI::App* const replace =
        Add(node, "replace",
            "Its disk is gone: prints the command for an empty directory",
            [this](const VerbOptions& options) {
              return ReplaceNode(options, id_, yes_);
            });
    replace->add_option("id", id_)->required();
    replace->add_flag("--yes", yes_, "Also if the node is up");
    CLI::App* const remove = Add(node, "remove", "Drain a node, then forget it",
                                 [this](const VerbOptions& options) {
                                   return RemoveNode(options, id_, lost_);
                                 });
    remove->add_option("id", id_)->required();
    remove->add_flag("--lost", lost_, "It will not come back");
    CLI::App* const set = Add(node, "set", "Change the settings of a node",
                              [this](const VerbOptions& options) {
                                return SetNode(options, id_, settings_);
                              });
    set->add_option("id", id_)->required();
    AddSettings(set);
  }

  void AddSettings(CLI::App* verb) {
    verb->add_option("--name", settings_.name, "For people");
    verb->add_option("--zone", settings_.zone,
                     "Replicas of a group are spread over zones");
    verb->add_option("--host", settings_.host,
                     "The machine; replicas are spread over them, too");
    verb->add_option("--weight", settings_.weight,
                     "Its share of the replicas, beside those of others");
  }

  void AddSettings(CLI::App* verb, GroupSettings* settings) {
    verb->add_option("--replicas", settings->replicas, "Voters of it");
    verb->add_option("--weight", settings->weight,
                     "Its share of the slots, beside those of others");
  }

  void AddGroupVerbs(CLI::App* group) {
    group->require_subcommand(1);
    Add(group, "list", "All groups", ListGroups);
    Add(group, "show", "One group",
        [this](const VerbOptions& options) { return ShowGroup(options, id_); })
        ->add_option("group", id_)
        ->required();
    CLI::App* const create =
        Add(group, "create", "Make groups; each gets its share of the slots",
            [this](const VerbOptions& options) {
              return CreateGroups(options, count_, group_settings_);
            });
    create->add_option("--count", count_, "How many")->capture_default_str();
    AddSettings(create, &group_settings_);
    CLI::App* const set = Add(group, "set", "Change the settings of a group",
                              [this](const VerbOptions& options) {
                                return SetGroup(options, id_, group_settings_);
                              });
    set->add_option("group", id_)->required();
    AddSettings(set, &group_settings_);
    CLI::App* const transfer = Add(group, "transfer", "Let a node lead it",
                                   [this](const VerbOptions& options) {
                                     return TransferGroup(options, id_, to_);
                                   });
    transfer->add_option("group", id_)->required();
    transfer->add_option("node", to_)->required();
    Add(group, "retire", "Move its slots away, then end it",
        [this](const VerbOptions& options) {
          return RetireGroup(options, id_);
        })
        ->add_option("group", id_)
        ->required();
  }

  void AddSlotVerbs(CLI::App* slots) {
    slots->require_subcommand(1);
    Add(slots, "list", "The owner of each range",
        [this](const VerbOptions& options) { return ListSlots(options, id_); })
        ->add_option("--group", id_, "Its ranges alone");
    CLI::App* const move = Add(slots, "move", "Move slots to another group",
                               [this](const VerbOptions& options) {
                                 return MoveSlots(options, to_move_);
                               });
    move->add_option("--to", to_move_.to, "The group")->required();
    CLI::Option* const ranges =
        move->add_option("--slots", to_move_.slots, "Ranges such as 0-99,200");
    CLI::Option* const from =
        move->add_option("--from", to_move_.from, "A group that gives slots")
            ->excludes(ranges);
    move->add_option("--count", to_move_.count, "How many it gives")
        ->needs(from)
        ->excludes(ranges);
    move->add_option("--rate", to_move_.bytes_per_second,
                     "Bytes per second, at most");
    Add(slots, "status", "All moves, or one",
        [this](const VerbOptions& options) { return ShowMoves(options, id_); })
        ->add_option("move", id_);
    for (const std::string verb : {"cancel", "pause", "resume"}) {
      Add(slots, verb.c_str(),
          verb == "cancel"  ? "The slots stay where they are"
          : verb == "pause" ? "Let a move wait"
                            : "Let a paused move go on",
          [this, verb](const VerbOptions& options) {
            return ChangeMove(options, verb, id_);
          })
          ->add_option("move", id_)
          ->required();
    }
  }

  void AddRepairVerbs(CLI::App* repair) {
    repair->require_subcommand(1);
    Add(repair, "status",
        "The time after which replicas are rebuilt, and those that are",
        ShowRepair);
    Add(repair, "set", "Change the time after which a node counts as dead",
        [this](const VerbOptions& options) -> ControlAnswer {
          if (after_ == "off") return SetRepair(options, std::nullopt);
          const std::optional<int64_t> ms = ParseDurationMs(after_);
          if (!ms.has_value()) {
            return {.error = "--after is a time such as 10m, or off",
                    .exit_status = kControlUsage};
          }
          return SetRepair(options, Milliseconds(*ms));
        })
        ->add_option("--after", after_, "A time such as 10m, or off")
        ->required();
  }

  Run* const run_;
  std::string page_;
  uint32_t id_ = 0;
  uint32_t to_ = 0;
  uint32_t count_ = 1;
  bool lost_ = false;
  bool yes_ = false;
  bool accept_loss_ = false;
  std::string after_;
  NodeSettings settings_;
  GroupSettings group_settings_;
  SlotsToMove to_move_;
};

// A cluster has its id for ever. Another cluster has another one.
ClusterId DrawCluster() { return ClusterId((RandomSeed() >> 2) + 1); }

struct KeyArguments {
  std::string key;
  std::string value;
  std::vector<std::string> keys;
};

// The subcommands about keys and the status.
void AddKeyVerbs(CLI::App* app, Run* run, KeyArguments* words) {
  const auto add = [&](const char* name, const char* description, Run verb) {
    return AddVerb(app, run, name, description, std::move(verb));
  };
  add("status", "Nodes, groups, leaders and slots",
      [](const VerbOptions& options) { return RunStatus(options.control); });
  add("get", "Print a key's value",
      [words](const VerbOptions& options) {
        return RunGet(options.control, words->key);
      })
      ->add_option("key", words->key)
      ->required();
  CLI::App* const set =
      add("set", "Set a key", [words](const VerbOptions& options) {
        return RunSet(options.control, words->key, words->value);
      });
  set->add_option("key", words->key)->required();
  set->add_option("value", words->value)->required();
  add("del", "Delete keys",
      [words](const VerbOptions& options) {
        return RunDelete(options.control, words->keys);
      })
      ->add_option("key", words->keys)
      ->required();
}

// The subcommand that needs no cluster.
void AddImport(CLI::App* app, Run* run, ImportPaths* paths,
               ImportOptions* options) {
  CLI::App* const verb = AddVerb(
      app, run, "import-config",
      "Write the configuration of a new cluster from the file of a system that "
      "shards by a hash",
      [paths, options](const VerbOptions& verb_options) {
        options->cluster = DrawCluster();
        const ImportAnswer answer =
            ImportConfig(*paths, *options, verb_options.dry_run);
        std::fputs(answer.notes.c_str(), stderr);
        return ControlAnswer{.out = answer.out,
                             .error = answer.error,
                             .exit_status = answer.exit_status};
      });
  verb->add_option("file", paths->file, "TOML with [[shards]]")->required();
  CLI::Option* const out =
      verb->add_option("--out", paths->out, "A new file, for node 1");
  verb->add_option("--out-dir", paths->out_dir,
                   "A directory, for the files of all nodes")
      ->excludes(out);
  verb->add_option("--data-dir", options->data_dir,
                   "The directory that has those of the nodes")
      ->capture_default_str();
  verb->add_flag("--allow-non-loopback", options->allow_non_loopback,
                 "Every host of the network is trusted");
}

// The subcommands that make certificates; they need no cluster.
void AddCerts(CLI::App* app, Run* run, CertsArguments* arguments) {
  CLI::App* const certs =
      app->add_subcommand("certs", "Make certificates for TLS");
  certs->require_subcommand(1);
  using Make = absl::StatusOr<std::string> (*)(const CertsArguments&);
  const auto add = [&](const char* name, const char* description, Make make) {
    CLI::App* const verb = AddVerb(
        certs, run, name, description, [arguments, make](const VerbOptions&) {
          const absl::StatusOr<std::string> made = make(*arguments);
          if (made.ok()) return ControlAnswer{.out = *made};
          return ControlAnswer{.error = std::string(made.status().message()),
                               .exit_status = kControlFailed};
        });
    verb->add_option("--out", arguments->out, "The directory of the files")
        ->required();
    verb->add_option("--days", arguments->days, "How long it is valid")
        ->check(CLI::Range(1, 36'500))
        ->option_text(std::string_view(name) == "ca" ? "INT [3650]"
                                                     : "INT [365]");
    return verb;
  };
  add("ca", "An authority that signs the other certificates", MakeCaFiles)
      ->add_option("--name", arguments->name, "For people [Quorate]");
  CLI::App* const node =
      add("node", "The certificate of one node", MakeNodeFiles);
  node->add_option("--cluster", arguments->cluster, "cluster.id")->required();
  node->add_option("--node", arguments->node, "node.id")->required();
  node->add_option("--host", arguments->hosts,
                   "Names and IP addresses at which clients find the node, "
                   "with commas")
      ->delimiter(',');
  CLI::App* const client = add(
      "client", "The certificate of an operator or client", MakeClientFiles);
  client->add_option("--name", arguments->name, "Of the client")->required();
  for (CLI::App* const verb : {node, client}) {
    verb->add_option("--ca", arguments->authority,
                     "The directory with ca.crt and ca.key [that of --out]");
  }
}

// Prints the output of a command and its error, and returns its exit status.
int Print(bool json, ControlAnswer answer) {
  if (json && answer.out.empty() && !answer.error.empty()) {
    answer.out = JsonLine({{"error", ErrorJson(answer)}});
  }
  std::fwrite(answer.out.data(), 1, answer.out.size(), stdout);
  // The JSON has it, too.
  if (!json && !answer.error.empty()) {
    std::fprintf(stderr, "quoratectl: %s\n", answer.error.c_str());
  }
  return answer.exit_status;
}

// Shows the help, or why the command line is wrong.
int Explain(const CLI::App& app, const CLI::ParseError& error, bool json) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const std::vector<std::string> words = app.remaining();
  ControlAnswer answer{.error = error.what(), .exit_status = kControlUsage};
  if (app.get_subcommands().empty() && !words.empty() &&
      !words.front().starts_with('-')) {
    answer.error =
        "there is no command '" + words.front() +
        "'; the commands are status, get, set, del, node, group, slots, "
        "rebalance, repair, recover, debug, certs and import-config";
  } else if (!json) {
    app.exit(error);
    return kControlUsage;
  }
  return Print(json, std::move(answer));
}

// The files of a program that connects with TLS.
void AddTls(CLI::App* app, env::CertificateFiles* files) {
  CLI::Option* const ca =
      app->add_option("--tls-ca", files->ca,
                      "Connect with TLS, and trust the authorities in this "
                      "PEM file");
  CLI::Option* const certificate = app->add_option(
      "--tls-cert", files->certificate, "The certificate to show");
  CLI::Option* const key =
      app->add_option("--tls-key", files->key, "Its private key");
  certificate->needs(ca)->needs(key);
  key->needs(certificate);
}

// Empty, or why the files cannot be used.
std::string LoadTls(const env::CertificateFiles& files,
                    ControlOptions* options) {
  if (files.ca.empty()) return "";
  auto loaded = files.certificate.empty()
                    ? TlsContext::LoadForClient(files.ca)
                    : TlsContext::Load(files, time(nullptr));
  if (!loaded.ok()) return std::string(loaded.status().message());
  options->tls = *std::move(loaded);
  return "";
}

void AddOptions(CLI::App* app, VerbOptions* options, int64_t* timeout_ms) {
  ControlOptions& control = options->control;
  app->add_option("--address", control.addresses,
                  "Addresses of nodes, with commas; the first that answers is "
                  "asked. Those for cluster clients (resp_cluster), or admin "
                  "addresses")
      ->allow_extra_args(false)
      ->capture_default_str();
  app->add_option("--timeout-ms", *timeout_ms,
                  "Timeout for each node, in milliseconds")
      ->capture_default_str()
      ->check(CLI::Range(1, 3'600'000));
  app->add_flag("--json", control.json, "Print JSON");
  app->add_flag_callback(
      "--no-wait", [options] { options->wait = false; },
      "Return as soon as the cluster knows the wish");
  app->add_flag("--dry-run", options->dry_run,
                "Say what a change would do, and change nothing");
  app->add_flag("--all", options->all,
                "List removed nodes and ended moves of any age");
  app->add_option("--operation", options->operation,
                  "Finish the change of this operation, whose outcome was not "
                  "known");
}

// The chosen subcommand with those above it: "node list".
std::string NameOfVerb(const CLI::App& app) {
  const CLI::App* verb = app.get_subcommands().front();
  std::string name = verb->get_name();
  while (!verb->get_subcommands().empty()) {
    verb = verb->get_subcommands().front();
    name += " " + verb->get_name();
  }
  return name;
}

// The options that only some verbs have, and of those the ones of this verb.
bool HasOption(std::string_view verb, std::string_view option) {
  constexpr std::string_view kReads[] = {
      "status",       "get",           "set",           "del",
      "node list",    "group list",    "group show",    "slots list",
      "slots status", "repair status", "import-config", "debug",
      "certs ca",     "certs node",    "certs client"};
  if (option == "--all") return verb == "node list" || verb == "slots status";
  if (option == "--dry-run" && verb == "import-config") return true;
  if (option == "--operation" && verb == "recover") return false;
  return std::ranges::find(kReads, verb) == std::end(kReads);
}

// Empty, or why the verb does not run: an option has no meaning for it.
std::string Misplaced(const std::string& verb, const VerbOptions& options) {
  for (const auto& [option, given] :
       {std::pair("--dry-run", options.dry_run),
        {"--no-wait", !options.wait},
        {"--all", options.all},
        {"--operation", !options.operation.empty()}}) {
    if (!given || HasOption(verb, option)) continue;
    return std::string(option) + " has no meaning for '" + verb +
           "': leave it out";
  }
  return "";
}

// Takes lists with commas apart. Empty, or what is wrong with them.
std::string SplitAddresses(std::vector<std::string>* addresses) {
  std::vector<std::string> all;
  for (const std::string& list : *addresses) {
    for (const auto& address : absl::StrSplit(list, ',')) {
      all.emplace_back(address);
      if (!all.back().empty()) continue;
      return "--address '" + list +
             "' has an empty address; give HOST:PORT, or several with commas";
    }
  }
  *addresses = std::move(all);
  return "";
}

// A change that is waited for ends with an answer then. The second signal ends
// the program at once.
void NoteStopSignals() {
  struct sigaction note = {};
  note.sa_handler = [](int) { interrupted = 1; };
  note.sa_flags = SA_RESTART | SA_RESETHAND;
  for (const int number : StopSignals()) sigaction(number, &note, nullptr);
}

int Main(int argc, char** argv) {
  const auto is_interrupted = [] { return interrupted != 0; };
  VerbOptions options = {
      .say = Say, .progress = ShowProgress, .interrupted = is_interrupted};
  int64_t timeout_ms = options.control.timeout.ms();
  CLI::App app(
      "quoratectl: shows and changes a running Quorate cluster.\n"
      "Exit status: 0 on success. 1 on failure (no such key, no node at "
      "the address). 2 if the command line is wrong or standard output cannot "
      "be written. 4 if the cluster refuses a change, and nothing has "
      "changed. 5 if the outcome of a change is not known: the message has the "
      "command that finishes it.\n"
      "`status` exits with 3 if a node does not answer, or if the node at the "
      "address refuses a node. It also does so if a replica is halted, fenced, "
      "stopped or refused, or if slots have no leader.");
  app.set_version_flag("--version", VersionText(argv[0]));
  AddOptions(&app, &options, &timeout_ms);
  app.require_subcommand(1);
  app.fallthrough();
  Run run;
  KeyArguments words;
  AddKeyVerbs(&app, &run, &words);
  Verbs verbs(&app, &run);
  ImportPaths import_paths;
  ImportOptions import_options;
  AddImport(&app, &run, &import_paths, &import_options);
  CertsArguments certs;
  AddCerts(&app, &run, &certs);
  env::CertificateFiles tls;
  AddTls(&app, &tls);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // The command line may be wrong in front of the flag.
    const bool json = std::any_of(argv + 1, argv + argc, [](const char* word) {
      return std::string_view(word) == "--json";
    });
    return Explain(app, error, json);
  }
  options.control.timeout = Milliseconds(timeout_ms);
  options.command.assign(argv, argv + argc);
  const std::string verb = NameOfVerb(app);
  std::string wrong = Misplaced(verb, options);
  if (wrong.empty()) wrong = SplitAddresses(&options.control.addresses);
  if (wrong.empty()) wrong = LoadTls(tls, &options.control);
  if (!wrong.empty()) {
    return Print(options.control.json,
                 {.error = std::move(wrong), .exit_status = kControlUsage});
  }
  if (HasOption(verb, "--no-wait")) NoteStopSignals();
  return Print(options.control.json, run(options));
}

}  // namespace
}  // namespace quorate::net

int main(int argc, char** argv) {
  return quorate::RunProgram(argc, argv,
                             [&] { return quorate::net::Main(argc, argv); });
}
