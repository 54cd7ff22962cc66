#include "node/config/config_parameters.h"

#include <algorithm>
#include <utility>

#include "env/host_port.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

// Parameters of Redis that clients and benchmarks read, with the values that
// apply here.
struct Fixed {
  std::string_view name;
  std::string_view value;
};
constexpr Fixed kFixed[] = {
    {"appendfsync", "always"},
    {"appendonly", "yes"},
    {"cluster-require-full-coverage", "no"},
    {"databases", "1"},
    {"hz", "10"},
    {"latency-monitor-threshold", "0"},
    {"list-max-listpack-size", "128"},
    {"lua-time-limit", "5000"},
    {"maxmemory-policy", "noeviction"},
    {"notify-keyspace-events", ""},
    {"replicaof", ""},
    {"save", ""},
    {"slaveof", ""},
    {"slowlog-log-slower-than", "10000"},
    {"slowlog-max-len", "128"},
};

// Each has the name in Redis, and the one in the configuration file.
struct LiveName {
  std::string_view name;
  ConfigParameters::Live live;
};
constexpr LiveName kLive[] = {
    {"maxmemory", ConfigParameters::Live::kMemoryLimit},
    {"limits.memory_bytes", ConfigParameters::Live::kMemoryLimit},
    {"tls-cert-file", ConfigParameters::Live::kCertificate},
    {"tls.certificate", ConfigParameters::Live::kCertificate},
    {"tls-key-file", ConfigParameters::Live::kKey},
    {"tls.key", ConfigParameters::Live::kKey},
    {"tls-ca-cert-file", ConfigParameters::Live::kCa},
    {"tls.ca", ConfigParameters::Live::kCa},
};

}  // namespace

void ConfigParameters::Make() const {
  const HostPort address = *ParseHostPort(cluster_ ? config_.listen.resp_cluster
                                                   : config_.listen.resp);
  const auto add = [this](std::string_view name, std::string value) {
    all_.push_back({.name = std::string(name), .value = std::move(value)});
  };
  for (const Fixed& fixed : kFixed) add(fixed.name, std::string(fixed.value));
  add("maxclients", Concat(config_.limits.connections));
  add("timeout", Concat(config_.timeouts.idle.ns() / 1'000'000'000));
  add("proto-max-bulk-len", Concat(config_.bounds.value_bytes));
  add("client-query-buffer-limit", Concat(config_.bounds.query_buffer_bytes));
  add("cluster-enabled", cluster_ ? "yes" : "no");
  add("port", Concat(address.port));
  add("bind", address.host);
  add("dir", config_.data_dir);
  for (ConfigSetting& setting : ConfigSettings(config_)) {
    if (std::ranges::find(kLive, setting.name, &LiveName::name) !=
        std::end(kLive)) {
      continue;
    }
    add(setting.name, std::move(setting.value));
  }
  for (const LiveName& one : kLive) {
    all_.push_back(
        {.name = std::string(one.name), .value = "", .live = one.live});
  }
  std::ranges::sort(all_, {}, &Parameter::name);
}

const ConfigParameters::Parameter* ConfigParameters::Find(
    std::string_view name) const {
  const auto found =
      std::ranges::lower_bound(all(), name, {}, &Parameter::name);
  return found == all().end() || found->name != name ? nullptr : &*found;
}

}  // namespace quorate::node
