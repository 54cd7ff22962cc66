#include "net/tools/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "env/host_port.h"
#include "net/disk/posix_file.h"
#include "net/event_loop/stop_signals.h"
#include "net/real_env.h"
#include "net/tools/descriptors.h"
#include "net/tools/listen_check.h"
#include "net/tools/start_traces.h"
#include "node/config/config.h"
#include "node/server.h"
#include "shardctrl/controller/token.h"

namespace quorate::net {
namespace {

// A stop waits at most so long for system calls on files.
constexpr Duration kDiskWithin = Seconds(5);

int PrintError(const std::string& what, int exit_status) {
  std::fprintf(stderr, "quorated: %s\n", what.c_str());
  return exit_status;
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path) {
  // Reading a directory as a stream throws.
  const OwnedFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char bytes[4096];
  ssize_t size = file.get() < 0 ? -1 : 0;
  while (file.get() >= 0 &&
         (size = read(file.get(), bytes, sizeof(bytes))) > 0) {
    text.append(bytes, static_cast<size_t>(size));
  }
  if (size < 0) {
    return absl::NotFoundError("cannot read the configuration file '" + path +
                               "': " + std::generic_category().message(errno));
  }
  return text;
}

sigset_t SetOf(const std::vector<int>& signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

// The node, from its first turn to its last.
class Daemon final : raft::Host::Observer {
 public:
  // `stop_signals` are blocked; the loop handles them from its first turn on.
  Daemon(RealEnv& real, std::vector<int> stop_signals, node::Config config)
      : real_(real),
        stop_signals_(std::move(stop_signals)),
        data_directory_(config.data_dir),
        server_(node::MakeServer(real.env(), std::move(config), this)) {}

  // The exit status.
  int Run() {
    real_.loop().OnSignals(stop_signals_,
                           [this](int signal) { OnSignal(signal); });
    const sigset_t signals = SetOf(stop_signals_);
    sigprocmask(SIG_UNBLOCK, &signals, nullptr);
    server_->Start(
        [this](absl::Status status) { OnStarted(std::move(status)); });
    real_.loop().Run();
    server_.reset();
    AwaitDisk();
    return exit_status_;
  }
  bool started() const { return started_; }

 private:
  // A node whose disk failed goes on, for those who look into it. One whose
  // place another program takes ends.
  void OnStopped(const absl::Status& why) override {
    if (!absl::IsFailedPrecondition(why) || stopping_) return;
    Exit(PrintError(std::string(why.message()), kExitFailed));
  }

  void OnStarted(absl::Status status) {
    if (!status.ok()) {
      Exit(PrintError(std::string(status.message()), kExitFailed));
      return;
    }
    if (stopping_) return;
    started_ = true;
    const std::string admin = server_->admin_address();
    std::printf("ready: resp %s resp_cluster %s http %s peer %s%s%s\n",
                server_->resp_address().c_str(),
                server_->resp_cluster_address().c_str(),
                server_->http_address().c_str(), real_.peer_address().c_str(),
                admin.empty() ? "" : " admin ", admin.c_str());
    if (std::fflush(stdout) != 0) {
      real_.tracer().Log(env::Severity::kWarning,
                         "ready, but standard output cannot be written: the "
                         "line that says so is lost");
    }
  }

  void OnSignal(int signal) {
    if (signal == SIGHUP && real_.ReloadCertificate()) return;
    if (std::exchange(stopping_, true)) {
      real_.tracer().Log(env::Severity::kWarning,
                         "stopping at once after a second signal");
      disk_within_ = Duration();
      Exit(kExitFailed);
      return;
    }
    real_.tracer().Log(env::Severity::kInfo,
                       std::string("stopping, on ") + strsignal(signal));
    if (!started_) {
      Exit(kExitClean);
      return;
    }
    server_->Stop([this](absl::Status status) {
      if (!status.ok()) {
        real_.tracer().Log(env::Severity::kWarning,
                           "stopped: " + std::string(status.message()));
      }
      Exit(kExitClean);
    });
  }

  // The destructor of the disk waits for the system calls of its threads. On a
  // device that hangs they never return, so the process ends without them.
  void AwaitDisk() {
    for (const int stop : stop_signals_) signal(stop, SIG_DFL);
    if (real_.WaitForDisk(disk_within_)) return;
    real_.tracer().Log(
        env::Severity::kError,
        "ending without a complete stop: the disk hangs. A system call on a "
        "file in " +
            data_directory_ + " has not returned");
    real_.FlushLog();
    _exit(kExitFailed);
  }

  void Exit(int exit_status) {
    exit_status_ = exit_status;
    real_.loop().Stop();
  }

  RealEnv& real_;
  const std::vector<int> stop_signals_;
  const std::string data_directory_;
  std::unique_ptr<node::Server> server_;
  Duration disk_within_ = kDiskWithin;
  bool started_ = false;
  bool stopping_ = false;
  int exit_status_ = kExitClean;
};

// The text of a file with what the command line says.
std::string ConfigOf(const DaemonOptions& options) {
  const auto key = [](std::string_view name, const std::string& value) {
    return value.empty() ? std::string()
                         : absl::StrCat(std::string(name), " = \"",
                                        absl::CEscape(value), "\"\n");
  };
  const node::ListenConfig& at = options.addresses;
  return absl::StrCat(
      "[node]\n", key("data_dir", options.data_dir), "[listen]\n",
      key("resp", at.resp), key("resp_cluster", at.resp_cluster),
      key("http", at.http), key("peer", at.peer), key("admin", at.admin),
      at.allow_non_loopback ? "allow_non_loopback = true\n" : "");
}

absl::StatusOr<std::optional<node::JoinConfig>> JoinOf(
    const DaemonOptions& options) {
  if (options.join.empty()) return std::nullopt;
  for (const std::string& seed : options.join) {
    if (ParseHostPort(seed).ok()) continue;
    return absl::InvalidArgumentError(
        "--join takes addresses HOST:PORT of peers, found '" + seed + "'");
  }
  const auto token = shardctrl::ParseToken(options.token);
  if (!token.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--token: ", std::string(token.status().message())));
  }
  return node::JoinConfig{.cluster = token->cluster,
                          .node = token->node,
                          .seeds = options.join,
                          .token = options.token};
}

// Nothing if the configuration names no certificate.
std::optional<TlsOptions> TlsOf(const node::Config& config) {
  const node::TlsConfig& tls = config.tls;
  if (tls.files == env::CertificateFiles()) return std::nullopt;
  const node::ListenConfig& at = config.listen;
  return TlsOptions{.files = tls.files,
                    .listens = {{at.resp, {tls.resp}},
                                {at.resp_cluster, {tls.resp_cluster}},
                                {at.http, {tls.http}},
                                {at.peer, {tls.peer, /*mutual=*/true}},
                                {at.admin, {tls.admin, /*mutual=*/true}}},
                    .peers = tls.peer};
}

// A failed start removes everything that it created on disk.
int RunNode(node::Config config, const DaemonOptions& options) {
  const absl::StatusOr<std::string> lowered =
      FitConnections(RaiseDescriptorLimit(), &config);
  if (!lowered.ok()) {
    return PrintError(std::string(lowered.status().message()), kExitFailed);
  }
  const StartTraces traces(config.data_dir);
  if (!traces.was_store()) {
    // Checked before a store is created. An existing store is opened first: if
    // the node already runs, the message should name its lock.
    const node::ListenConfig& listen = config.listen;
    const absl::Status free =
        CheckListenAddresses({listen.resp, listen.resp_cluster, listen.http,
                              listen.peer, listen.admin});
    if (!free.ok()) return PrintError(std::string(free.message()), kExitFailed);
  }
  RealEnvOptions world;
  world.data_directory = config.data_dir;
  world.name = "node-" + std::to_string(config.node.value());
  world.log_level = options.log_level;
  world.clock.error_unsynchronised = config.clock.error_unsynchronised;
  world.sockets.user_timeout_accepted = config.bounds.stall;
  world.sockets.keep_alive = config.timeouts.keep_alive;
  world.tls = TlsOf(config);
  // They wait from the creation of the directory until the loop handles them.
  // Otherwise one would leave a directory without a store.
  const std::vector<int> stop_signals = StopSignals();
  const sigset_t signals = SetOf(stop_signals);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  absl::StatusOr<std::unique_ptr<RealEnv>> real = RealEnv::Create(world);
  if (!real.ok()) {
    traces.Remove();
    return PrintError(std::string(real.status().message()), kExitFailed);
  }
  if (!lowered->empty()) {
    (*real)->tracer().Log(env::Severity::kWarning, *lowered);
  }
  Daemon daemon(**real, stop_signals, std::move(config));
  const int exit_status = daemon.Run();
  if (!daemon.started()) {
    real->reset();  // Closes the files.
    traces.Remove();
  }
  return exit_status;
}

}  // namespace

int RunDaemon(const DaemonOptions& options) {
  if (options.exit_with_parent != 0) {
    const pid_t parent =
        options.exit_with_parent > 0 ? options.exit_with_parent : getppid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The process may have ended before that was set.
    if (getppid() != parent) return kExitFailed;
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // The write fails instead (EFBIG).
  const absl::StatusOr<std::string> text =
      options.config_file.empty() ? ConfigOf(options)
                                  : ReadWholeFile(options.config_file);
  if (!text.ok()) {
    return PrintError(std::string(text.status().message()), kExitUsage);
  }
  absl::StatusOr<std::optional<node::JoinConfig>> join = JoinOf(options);
  if (!join.ok()) {
    return PrintError(std::string(join.status().message()), kExitUsage);
  }
  absl::StatusOr<node::Config> config = node::ParseConfig(
      *text, options.config_file.empty() ? "command line" : options.config_file,
      *std::move(join));
  if (!config.ok()) {
    return PrintError(std::string(config.status().message()), kExitUsage);
  }
  if (options.bootstrap) config->bootstrap = true;
  config->founds_alone = options.alone;
  config->restore_as_new_cluster = options.restore_as_new_cluster;
  config->moved = options.moved;
  if (config->restore_as_new_cluster && config->bootstrap) {
    return PrintError(
        "expected either --bootstrap, which founds a cluster, or "
        "--restore-as-new-cluster, found both",
        kExitUsage);
  }
  return RunNode(*std::move(config), options);
}

}  // namespace quorate::net
