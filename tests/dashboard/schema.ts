// What Grafana says of a dashboard's JSON, as types of its own package: panels, their options, their queries and
// variables. A property that Grafana does not know is an error here, where Grafana itself would pass over it.
import { Dashboard, FieldConfig, Panel, RowPanel } from "@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen";
import * as bargauge from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// JSON has the values of enums, not their names.
type Numbers<T extends number> = `${T}` extends `${infer N extends number}` ? N : T;
type Json<T> = T extends string ? `${T}` : T extends number ? Numbers<T>
  : T extends Array<infer U> ? Array<Json<U>> : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
// Grafana fills in what is left out.
type Partly<T> = T extends Array<infer U> ? Array<Partly<U>> : T extends object ? { [K in keyof T]?: Partly<T[K]> } : T;

type Defaults<Custom> = Json<Omit<FieldConfig, "custom">> & { custom?: Partly<Json<Custom>> };
type Property<Custom> =
  | { [K in keyof FieldConfig & string]: { id: K; value: Json<NonNullable<FieldConfig[K]>> } }[keyof FieldConfig & string]
  | { [K in keyof Custom & string]: { id: `custom.${K}`; value: Partly<Json<NonNullable<Custom[K]>>> } }[keyof Custom & string];
// A query of the data source's plugin, whose types are not in the package.
type Query = {
  refId: string; datasource: { type: "prometheus"; uid: "${datasource}" }; editorMode: "code"; expr: string;
  legendFormat: string; range?: boolean; instant?: boolean; format?: "table";
};
type Matcher = { id: "byName" | "byRegexp"; options: string };
type Shown<Type, Options, Custom> = Omit<Json<Panel>, "type" | "options" | "fieldConfig" | "targets"> & {
  type: Type;
  options: Partly<Json<Options>>;
  fieldConfig: { defaults: Defaults<Custom>; overrides: { matcher: Matcher; properties: Property<Custom>[] }[] };
  targets: Query[];
};
type Row = Json<RowPanel>;
type AnyPanel =
  | Row
  | Shown<"bargauge", bargauge.Options, {}>
  | Shown<"stat", stat.Options, {}>
  | Shown<"table", table.Options, table.FieldConfig>
  | Shown<"timeseries", timeseries.Options, timeseries.FieldConfig>;

export type GrafanaDashboard = Omit<Json<Dashboard>, "panels"> & { panels: AnyPanel[] };
