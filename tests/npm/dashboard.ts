// SPDX-License-Identifier: GPL-2.0-or-later
// What docker/grafana/dashboards/packet-exporter.json has to be: Grafana's own types of a dashboard and of
// the panels that it uses, as they are in JSON, and what we ask of each panel beside that. The test writes
// the dashboard as a literal into a file that assigns it, so that the compiler also reports what no type has.
import type {
  Dashboard,
  DataQuery,
  FieldConfig,
  FieldConfigSource,
  Panel,
  RowPanel,
  VariableModel,
} from "@grafana/schema";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// JSON has the values of enums, not their names.
type Json<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends readonly (infer Item)[]
      ? Json<Item>[]
      : T extends object
        ? { [Key in keyof T]: Json<T[Key]> }
        : T;

type With<T, Changes> = Omit<T, keyof Changes> & Changes;

type Source = { type: "prometheus"; uid: "${datasource}" };

// The package has no type of Prometheus' queries.
type Query = With<
  Json<DataQuery>,
  { refId: string; datasource: Source; expr: string; legendFormat: string } & (
    | { range: true }
    | { instant: true; format?: "table" }
  )
>;

// Thresholds of JSON begin at null, which is the type's -Infinity.
type Thresholds = { mode: "absolute"; steps: { color: string; value: number | null }[] };

type PanelOf<Type extends string, Options, Custom> = With<
  Json<Panel>,
  {
    id: number;
    type: Type;
    title: string;
    description: string;
    gridPos: { h: number; w: number; x: number; y: number };
    datasource: Source;
    targets: [Query, ...Query[]];
    options: Json<Options>;
    fieldConfig: With<
      Json<FieldConfigSource>,
      {
        defaults: With<
          Json<FieldConfig>,
          { unit: string; custom?: Json<Custom>; thresholds?: Thresholds }
        >;
      }
    >;
  }
>;

type Row = With<Json<RowPanel>, { title: string; collapsed: false; panels: [] }>;

type Variable = With<Json<VariableModel>, { label: string }>;

export type PacketDashboard = With<
  Json<Dashboard>,
  {
    title: string;
    uid: string;
    description: string;
    templating: { list: Variable[] };
    panels: (
      | Row
      | PanelOf<"stat", stat.Options, never>
      | PanelOf<"table", table.Options, table.FieldConfig>
      | PanelOf<"timeseries", timeseries.Options, timeseries.FieldConfig>
    )[];
  }
>;
