// guideway top: rates by VIP and backend, again and again.
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/screen.h"
#include "controlplane/cli/state.h"
#include "controlplane/cli/table.h"
#include "lib/base/status.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

struct TopOptions {
  double interval_s = 1;
  uint64_t count = 0;  // 0: until stopped
};

struct Totals {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t new_flows = 0;
  uint64_t drops = 0;
};

// What is to be shown of a VIP or backend, and how much it grew.
struct Row {
  std::vector<std::string> cells;
  double packets_rate = 0;
  double bits_rate = 0;
  double flows_rate = 0;
  double drops_rate = 0;
};

// "999", "12.3k", "4.56M"
std::string RateText(double rate) {
  static constexpr const char* kUnits[] = {"", "k", "M", "G", "T"};
  size_t unit = 0;
  while (rate >= 999.5 && unit + 1 < std::size(kUnits)) {
    rate /= 1000;
    ++unit;
  }
  if (unit == 0) return absl::StrCat(std::llround(rate));
  return absl::StrFormat("%.*f%s", rate < 9.995 ? 2 : (rate < 99.95 ? 1 : 0), rate, kUnits[unit]);
}

class Top {
 public:
  explicit Top(Cli* cli) : cli_(cli) {}

  // Reads everything anew; rates are those since the last call.
  absl::Status Read();
  // For people. `rows`: how many lines there are room for; 0: any number.
  std::string Text(int rows) const;
  Json ToJson() const;

 private:
  Row Measure(const std::string& key, const Totals& totals, std::vector<std::string> cells);
  std::string TableOf(const std::vector<std::string>& headings, const std::vector<Row>& rows,
                      size_t most, bool drops) const;

  Cli* const cli_;
  std::map<std::string, Totals> last_;
  absl::Time last_time_ = absl::InfinitePast();
  double seconds_ = 0;   // since the last reading; 0: this is the first
  std::string problem_;  // why there are no fresh counters
  std::vector<Row> vips_;
  std::vector<Row> backends_;
};

Row Top::Measure(const std::string& key, const Totals& totals, std::vector<std::string> cells) {
  Row row{.cells = std::move(cells)};
  const auto [last, is_new] = last_.emplace(key, totals);
  if (!is_new && seconds_ > 0) {
    // A counter that went back belongs to a restarted data plane and starts at zero.
    const auto rate = [&](uint64_t now, uint64_t before) {
      return static_cast<double>(now >= before ? now - before : now) / seconds_;
    };
    row.packets_rate = rate(totals.packets, last->second.packets);
    row.bits_rate = 8 * rate(totals.bytes, last->second.bytes);
    row.flows_rate = rate(totals.new_flows, last->second.new_flows);
    row.drops_rate = rate(totals.drops, last->second.drops);
  }
  last->second = totals;
  return row;
}

absl::Status Top::Read() {
  // Makes the daemon read the counters now: GetState tells those of the last reading.
  v1::GetStatsResponse stats;
  const absl::Status fresh =
      cli_->client().Call(&v1::Guideway::Stub::GetStats, v1::GetStatsRequest(), &stats);
  if (absl::IsUnavailable(fresh)) return fresh;
  problem_ = std::string(fresh.message());
  const absl::Time now = absl::Now();
  GW_ASSIGN_OR_RETURN(const v1::GetStateResponse state, FetchState(&cli_->client()));
  seconds_ = last_time_ == absl::InfinitePast() ? 0 : absl::ToDoubleSeconds(now - last_time_);
  last_time_ = now;
  vips_.clear();
  backends_.clear();
  for (const v1::VipState& vip : state.vips()) {
    const v1::Traffic& traffic = vip.traffic();
    vips_.push_back(Measure(
        "vip " + vip.vip().name(),
        {traffic.packets(), traffic.bytes(), traffic.new_flows(), vip.others().drop_total()},
        {vip.vip().name(), vip.vip().address(), absl::StrCat(vip.vip().port()),
         EnumName(vip.vip().protocol()), vip.vip().pool()}));
  }
  for (const v1::PoolState& pool : state.pools()) {
    for (const v1::BackendState& backend : pool.backends()) {
      const v1::Traffic& traffic = backend.traffic();
      const std::string& name = backend.backend().name();
      backends_.push_back(Measure(absl::StrCat("backend ", pool.pool().name(), "/", name),
                                  {traffic.packets(), traffic.bytes(), traffic.new_flows(), 0},
                                  {pool.pool().name(), name, EnumName(backend.backend().state()),
                                   HealthText(backend.health()), PercentText(backend.share())}));
    }
  }
  const auto busier = [](const Row& a, const Row& b) {
    return std::tie(b.packets_rate, a.cells) < std::tie(a.packets_rate, b.cells);
  };
  std::sort(vips_.begin(), vips_.end(), busier);
  std::sort(backends_.begin(), backends_.end(), busier);
  return absl::OkStatus();
}

std::string Top::TableOf(const std::vector<std::string>& headings, const std::vector<Row>& rows,
                         size_t most, bool drops) const {
  std::vector<std::string> all = headings;
  for (const char* rate : {">packets/s", ">bit/s", ">new flows/s"}) all.emplace_back(rate);
  if (drops) all.emplace_back(">drops/s");
  Table table(all);
  for (size_t i = 0; i < std::min(most, rows.size()); ++i) {
    const Row& row = rows[i];
    std::vector<std::string> cells = row.cells;
    for (const double rate : {row.packets_rate, row.bits_rate, row.flows_rate}) {
      cells.push_back(RateText(rate));
    }
    if (drops) cells.push_back(RateText(row.drops_rate));
    table.Add(std::move(cells));
  }
  return table.ToString();
}

std::string Top::Text(int rows) const {
  double packets = 0;
  double bits = 0;
  double flows = 0;
  for (const Row& vip : vips_) {
    packets += vip.packets_rate;
    bits += vip.bits_rate;
    flows += vip.flows_rate;
  }
  std::string text = absl::StrCat("guideway top: ", RateText(packets), " packets/s, ",
                                  RateText(bits), " bit/s, ", RateText(flows), " new flows/s");
  if (!problem_.empty()) absl::StrAppend(&text, "; no counters: ", problem_);
  text += "\n\n";
  // Title, two blank lines and two headings; the VIPs get half of the rest, or what they need.
  const size_t room = rows > 0 ? static_cast<size_t>(std::max(rows - 5, 2)) : SIZE_MAX;
  const size_t for_vips =
      backends_.size() + vips_.size() <= room
          ? vips_.size()
          : std::max(room / 2, room > backends_.size() ? room - backends_.size() : 0);
  const size_t shown_vips = std::min(for_vips, vips_.size());
  return absl::StrCat(
      text, TableOf({"vip", "address", ">port", "protocol", "pool"}, vips_, shown_vips, true), "\n",
      TableOf({"pool", "backend", "state", "health", ">share"}, backends_, room - shown_vips,
              false));
}

Json Top::ToJson() const {
  const auto list = [](const std::vector<Row>& rows, const std::vector<std::string>& names) {
    Json json = Json::List();
    for (const Row& row : rows) {
      Json one = Json::Object();
      for (size_t i = 0; i < names.size(); ++i) one.Set(names[i], row.cells[i]);
      one.Set("packets_per_second", Json::Fraction(row.packets_rate))
          .Set("bits_per_second", Json::Fraction(row.bits_rate))
          .Set("new_flows_per_second", Json::Fraction(row.flows_rate))
          .Set("drops_per_second", Json::Fraction(row.drops_rate));
      json.Append(std::move(one));
    }
    return json;
  };
  Json json = Json::Object();
  json.Set("vips", list(vips_, {"name"})).Set("backends", list(backends_, {"pool", "name"}));
  return json;
}

// On a terminal: one page, drawn again every interval and when the size changes.
absl::Status ShowOnScreen(Top* top, const TopOptions& options) {
  Screen screen;
  for (uint64_t i = 0;; ++i) {
    GW_RETURN_IF_ERROR(top->Read());
    screen.Show(top->Text(screen.size().rows - 1));
    if (options.count > 0 && i + 1 >= options.count) return absl::OkStatus();
    const absl::Time next = absl::Now() + absl::Seconds(options.interval_s);
    for (;;) {
      const Screen::Event event = screen.Wait(next - absl::Now());
      if (event == Screen::Event::kQuit) return absl::OkStatus();
      if (event == Screen::Event::kTimeout) break;
      screen.Show(top->Text(screen.size().rows - 1));
    }
  }
}

absl::Status ShowTop(Cli* cli, const TopOptions& options) {
  Top top(cli);
  if (cli->on_terminal() && !cli->json()) return ShowOnScreen(&top, options);
  for (uint64_t i = 0;; ++i) {
    GW_RETURN_IF_ERROR(top.Read());
    cli->out() << (cli->json() ? top.ToJson().ToString() : top.Text(0) + "\n");
    cli->out().flush();
    if (!cli->out().good() || (options.count > 0 && i + 1 >= options.count)) break;
    absl::SleepFor(absl::Seconds(options.interval_s));
  }
  return absl::OkStatus();
}

}  // namespace

void AddTopCommands(Cli* cli) {
  const auto options = std::make_shared<TopOptions>();
  CLI::App* top = cli->AddCommand(
      &cli->app(), "top",
      "Show rates by VIP and backend, the busiest first, until q; without a terminal, as tables",
      [=] { return ShowTop(cli, *options); });
  top->add_option("--interval", options->interval_s, "Seconds from one reading to the next")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  top->add_option("--count", options->count, "Stop after so many readings; the first has no rates")
      ->type_name("NUMBER");
}

}  // namespace guideway::cli
